"""Random input with a valid token: a response within the contract, no traceback, no dead worker."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.local_endpoint import LocalClient
from tests.support.messages import Outbox

ANSWERS = {200, 400, 413, 422}
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["event", "state", "heartbeat", "x" * 16, "\x00", "\udce4", 2**53, -1])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
LIMITS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def valid_status(client: LocalClient, data: bytes) -> int:
    answer = client.raw(data)
    assert answer.status in ANSWERS, (answer, data)
    if answer.status != 200:
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 64 * 1024
    return answer.status


@given(data=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
@LIMITS
def test_any_bytes(client: LocalClient, data: bytes) -> None:
    valid_status(client, data)


@given(value=VALUES)
@LIMITS
def test_any_json(client: LocalClient, value: Any) -> None:
    valid_status(client, json.dumps(value).encode())


@given(
    message=st.fixed_dictionaries(
        {
            "key": st.just("k" * 16) | st.from_regex(r"\A[0-9a-z-]{16,64}\Z") | LEAVES,
            "kind": st.sampled_from(["event", "state", "heartbeat"]) | LEAVES,
            "sequence": st.integers(1, 2**53 - 1) | st.sampled_from([1.0, 1e300, True]),
            "created_at": st.just("2026-11-23T08:10:00Z") | st.text(max_size=30),
            "body": st.dictionaries(st.sampled_from(["schema", "type", "at", "document", "hash"]), VALUES) | VALUES,
        }
    )
)
@LIMITS
def test_any_message(client: LocalClient, message: dict[str, Any]) -> None:
    valid_status(client, json.dumps(Outbox().batch(message)).encode())


@given(
    kind=st.sampled_from(["messages-lost", "rebooted", "new-thing", "outcome"]),
    document=st.dictionaries(st.text(), VALUES),
)
@LIMITS
def test_any_document(client: LocalClient, kind: str, document: dict[str, Any]) -> None:
    box = Outbox()

    assert valid_status(client, json.dumps(box.batch(box.event(kind, document))).encode()) in {200, 400}


@given(
    result=st.just("rebooted-with-problems") | VALUES,
    problems=st.lists(st.fixed_dictionaries({"code": VALUES, "detail": VALUES}) | VALUES) | VALUES,
)
@LIMITS
def test_any_outcome_of_a_reboot(client: LocalClient, result: Any, problems: Any) -> None:
    box = Outbox()
    document = {"schema": "maestro.reboot-outcome/1", "result": result, "problems": problems}

    assert valid_status(client, json.dumps(box.batch(box.event("reboot-outcome", document))).encode()) in {200, 400}


def test_a_lone_surrogate_in_any_text_of_a_report(client: LocalClient) -> None:
    """JSON may have one, and neither SQLite nor PostgreSQL takes it as it is."""
    box = Outbox()
    for place in list(_texts(box.state()["body"])):
        message = box.state()
        _put(message["body"], place, "x\ud83d")
        valid_status(client, json.dumps(box.batch(message)).encode())
        valid_status(client, json.dumps(box.batch(box.event("outcome", message["body"]))).encode())


def _texts(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each text in a JSON value."""
    if isinstance(value, str):
        yield ()
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ((key, *path) for path in _texts(inner))


def _put(value: Any, path: tuple[Any, ...], text: str) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = text


@given(first=st.integers(1, 2**53 - 1), last=st.integers(1, 2**53 - 1), sequence=st.integers(1, 2**53 - 1))
@LIMITS
def test_any_declared_loss(client: LocalClient, first: int, last: int, sequence: int) -> None:
    box = Outbox()
    lost = {"count": 1, "first_sequence": first, "last_sequence": last, "reason": "too-old"}

    assert client.post(box.batch(box.event("messages-lost", lost, sequence=sequence))).statuses == ["accepted"]


def test_the_fleet_can_be_shown_after_hostile_input(client: LocalClient) -> None:
    for command in ("fleet", "gaps"):
        done = client.server.run(command)
        assert (done.returncode, done.stderr) == (0, "")
    assert "request.failed" not in client.server.journal
    assert "Traceback" not in client.server.journal
