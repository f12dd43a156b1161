"""What an answer means for the stream: pure, without a database and without a network."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.core.schedule.backoff import ResponseClass
from agent.report.endpoint.client import EndpointResponse
from agent.report.endpoint.messages import MAX_MESSAGES, Message, MessageKind
from agent.report.endpoint.settlement import Settlement, batch_limit, next_state_message, settle
from agent.report.outbox.stream_state import RefusedState, StreamState
from tests.report.given import NOON

DIGEST = "a" * 16
REPORT: dict[str, object] = {"schema": "maestro.report/1", "hash": DIGEST}
STREAM = StreamState(instance_id="i", host_id="h", last_sequence=3, state_sequence=6, batch_limit=100)
ACCEPTED = {"status": "accepted", "code": None, "detail": None}
INVALID = {"status": "refused", "code": "invalid", "detail": "/x: wrong"}
SEQUENCE_REUSED = {"status": "refused", "code": "sequence-reused", "detail": "some words"}
KEY_REUSED = {"status": "refused", "code": "key-reused", "detail": "some words"}


def state_message(state: StreamState = STREAM) -> Message:
    return next_state_message(state, REPORT, NOON)[0]


def heartbeat() -> Message:
    return state_message(replace(STREAM, sent_hash=DIGEST))


def event(sequence: int) -> Message:
    return Message(
        key=f"e-{sequence:030}", kind=MessageKind.EVENT, sequence=sequence, created_at="2026-11-23T12:00:00Z", body={}
    )


def answered(*pairs: tuple[Message, dict[str, Any]], resend_state: bool = False) -> Settlement:
    """Settle messages with these results."""
    results = [{"key": message.key, **result} for message, result in pairs]
    text = json.dumps({"schema": "maestro.receipt/1", "results": results, "resend_state": resend_state})
    response = EndpointResponse(response_class=ResponseClass.OK, text=text)
    return settle(STREAM, [message for message, _ in pairs], response, NOON)


def rejected(*messages: Message, final: bool = True) -> Settlement:
    response = EndpointResponse(response_class=ResponseClass.REJECTED, why="HTTP 400", text="what?", final=final)
    return settle(STREAM, messages, response, NOON)


def test_new_report_is_a_state_with_the_next_sequence() -> None:
    message, after = next_state_message(STREAM, REPORT, NOON)

    assert (message.kind, message.key, message.body) == (MessageKind.STATE, "s-00000000000000000007", REPORT)
    assert after == replace(STREAM, state_sequence=7)


@pytest.mark.parametrize(
    ("known", "kind"),
    [
        ({"sent_hash": DIGEST}, MessageKind.HEARTBEAT),
        ({"sent_hash": "b" * 16}, MessageKind.STATE),
        ({"refused_state": RefusedState(hash=DIGEST, until=NOON + timedelta(1), why="")}, MessageKind.HEARTBEAT),
        ({"refused_state": RefusedState(hash=DIGEST, until=NOON, why="")}, MessageKind.STATE),
        ({"refused_state": RefusedState(hash=DIGEST, until=NOON + timedelta(2), why="")}, MessageKind.STATE),
        ({"refused_state": RefusedState(hash="b" * 16, until=NOON + timedelta(1), why="")}, MessageKind.STATE),
    ],
    ids=["sent", "changed", "refused", "refused a day ago", "refused under a later clock", "another was refused"],
)
def test_state_or_heartbeat(known: dict[str, Any], kind: MessageKind) -> None:
    assert state_message(replace(STREAM, **known)).kind is kind


def test_accepted_messages_are_settled() -> None:
    found = answered((state_message(), ACCEPTED), (event(1), ACCEPTED), (event(2), {**ACCEPTED, "status": "duplicate"}))

    assert found.state == replace(STREAM, sent_hash=DIGEST, batch_limit=200)
    assert (found.sent, found.delete, found.rejections, found.start_stream) == (3, [1, 2], [], False)


def test_refused_messages_are_kept_with_their_answer_and_counted() -> None:
    found = answered((state_message(), INVALID), (event(1), INVALID), (event(2), KEY_REUSED))

    refused = RefusedState(hash=DIGEST, until=NOON + timedelta(days=1), why="/x: wrong")
    assert found.state == replace(STREAM, refused_state=refused, refused=2, batch_limit=200)
    assert found.delete == [1, 2]
    assert [answer for _, answer in found.rejections] == ["/x: wrong", "/x: wrong", "some words"]


def test_event_whose_sequence_is_reused_stays_and_starts_a_stream() -> None:
    found = answered((event(1), ACCEPTED), (event(2), SEQUENCE_REUSED))

    assert (found.delete, found.rejections, found.start_stream) == ([1], [], True)
    assert found.response.response_class is ResponseClass.SERVER_ERROR
    assert found.state.refused == 0


@pytest.mark.parametrize(("theirs", "next_after"), [(70, 70), (5, 7)])
def test_superseded_state_continues_after_the_higher_sequence(theirs: int, next_after: int) -> None:
    found = answered((state_message(), {**ACCEPTED, "code": "superseded", "sequence": theirs}))

    assert (found.state.state_sequence, found.state.sent_hash) == (next_after, None)


def test_requested_state_is_sent_again() -> None:
    assert answered((state_message(), ACCEPTED), resend_state=True).state.sent_hash is None


def test_rejected_batch_is_halved_and_nothing_is_settled() -> None:
    found = rejected(state_message(), event(1), event(2), event(3))

    assert found == Settlement(response=found.response, state=replace(STREAM, batch_limit=2))


def test_rejected_single_event_is_dropped() -> None:
    found = rejected(event(2))

    assert (found.sent, found.drop, found.delete) == (1, [2], ())
    assert found.rejections == [(event(2).key, "HTTP 400\nwhat?")]
    assert found.state == replace(STREAM, batch_limit=1, refused=1)


def test_rejected_heartbeat_is_a_fault_and_not_sent() -> None:
    found = rejected(heartbeat())

    assert (found.sent, bool(found.heartbeat_fault)) == (0, True)
    assert found.rejections == [(heartbeat().key, "HTTP 400\nwhat?")]


@pytest.mark.parametrize("refusal", [INVALID, SEQUENCE_REUSED, KEY_REUSED], ids=["invalid", "sequence", "key"])
def test_heartbeat_that_a_receipt_refuses_is_a_fault_and_not_sent(refusal: dict[str, Any]) -> None:
    found = answered((heartbeat(), refusal), (event(1), ACCEPTED))

    assert (found.sent, found.delete, bool(found.heartbeat_fault)) == (1, [1], True)


def test_proxy_error_page_drops_nothing() -> None:
    found = rejected(event(2), final=False)

    assert (found.sent, found.drop, found.state) == (0, (), STREAM)
    assert found.response.response_class is ResponseClass.MISCONFIGURED


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "maestro.receipt/1", "results": [], "resend_state": false}'])
def test_success_without_a_receipt_settles_nothing(text: str) -> None:
    found = settle(STREAM, [event(1)], EndpointResponse(response_class=ResponseClass.OK, text=text), NOON)

    assert (found.sent, found.state) == (0, STREAM)
    assert found.response.response_class is ResponseClass.SERVER_ERROR


@pytest.mark.parametrize(("limit", "expected"), [(None, MAX_MESSAGES), (7, 7), (10**6, MAX_MESSAGES)])
def test_batch_limit_is_at_most_that_of_the_contract(limit: int | None, expected: int) -> None:
    assert batch_limit(replace(STREAM, batch_limit=limit)) == expected
