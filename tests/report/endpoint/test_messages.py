"""A receipt is believed only where it is one for just these messages, whatever the other side sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.report.endpoint.messages import Message, MessageKind, MessageStatus, Receipt, batch_document, read_receipt
from tests.report.given import HOST, NOON, check

MESSAGES = [
    Message(key=f"e-{number:030}", kind=MessageKind.EVENT, sequence=number, created_at="2026-11-23T12:00:00Z", body={})
    for number in (1, 2)
]
GOOD: dict[str, Any] = {
    "schema": "maestro.receipt/1",
    "results": [
        {"key": MESSAGES[0].key, "status": "accepted", "detail": None},
        {"key": MESSAGES[1].key, "status": "refused", "detail": "/type: wrong"},
    ],
    "resend_state": True,
}
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from([*GOOD, "key", "status", "detail"]), inner),
    max_leaves=12,
)


def test_a_batch_has_the_shape_of_its_schema() -> None:
    document = batch_document(MESSAGES, host_id=HOST.id, instance_id=HOST.id, version="1.0", now=NOON)

    check("batch", document)


def test_a_receipt_says_what_became_of_each_message() -> None:
    receipt = read_receipt(json.dumps(GOOD), MESSAGES)

    results = [(MessageStatus.ACCEPTED, ""), (MessageStatus.REFUSED, "/type: wrong")]
    assert receipt == Receipt(results=results, resend_state=True)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "maestro.receipt/2"},
        {"results": GOOD["results"][:1]},
        {"results": GOOD["results"][::-1]},
        {"results": [*GOOD["results"], GOOD["results"][0]]},
        {"results": [GOOD["results"][0], {"key": MESSAGES[1].key, "status": "fine"}]},
        {"results": [GOOD["results"][0], None]},
        {"results": {}},
        {"results": None},
    ],
)
def test_what_is_no_receipt_for_these_messages_is_none(change: dict[str, Any]) -> None:
    assert read_receipt(json.dumps({**GOOD, **change}), MESSAGES) is None


@pytest.mark.parametrize("text", ["", "[" * 100_000, "null", "[]", "NaN", "\ud800", '{"schema": 1e999}'])
def test_what_is_no_document_is_none(text: str) -> None:
    assert read_receipt(text, MESSAGES) is None


@given(JSON)
def test_any_document_is_a_receipt_or_none(document: object) -> None:
    assert read_receipt(json.dumps(document), MESSAGES) is None


@given(some.fixed_dictionaries({name: JSON | some.just(value) for name, value in GOOD.items()}))
def test_any_receipt_settles_all_messages_or_none(document: object) -> None:
    receipt = read_receipt(json.dumps(document), MESSAGES)

    assert receipt is None or len(receipt.results) == len(MESSAGES)


@given(some.text())
def test_any_text_is_a_receipt_or_none(text: str) -> None:
    assert read_receipt(text, MESSAGES) is None
