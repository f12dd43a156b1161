"""Only a receipt for exactly these messages is accepted, whatever the other side sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.report.endpoint.messages import (
    Message,
    MessageKind,
    MessageResult,
    MessageStatus,
    Receipt,
    ResultCode,
    batch_document,
    read_receipt,
)
from tests.report.given import HOST, NOON, check

MESSAGES = [
    Message(key=f"e-{number:030}", kind=MessageKind.EVENT, sequence=number, created_at="2026-11-23T12:00:00Z", body={})
    for number in (1, 2)
]
GOOD: dict[str, Any] = {
    "schema": "maestro.receipt/1",
    "results": [
        {"key": MESSAGES[0].key, "status": "accepted", "code": None, "detail": None},
        {"key": MESSAGES[1].key, "status": "refused", "code": "invalid", "detail": "/type: wrong"},
    ],
    "resend_state": True,
}
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner)
    | some.dictionaries(some.sampled_from([*GOOD, "key", "status", "code", "sequence", "detail"]), inner),
    max_leaves=12,
)


def test_batch_matches_its_schema() -> None:
    document = batch_document(MESSAGES, host_id=HOST.id, instance_id=HOST.id, version="1.0", now=NOON)

    check("batch", document)


def test_receipt_has_one_result_per_message() -> None:
    receipt = read_receipt(json.dumps(GOOD), MESSAGES)

    results = [
        MessageResult(status=MessageStatus.ACCEPTED),
        MessageResult(status=MessageStatus.REFUSED, detail="/type: wrong"),
    ]
    assert receipt == Receipt(results=results, resend_state=True)
    check("receipt", GOOD)


REFUSED, ACCEPTED = {"status": "refused"}, {"status": "accepted"}


@pytest.mark.parametrize(
    ("result", "code", "sequence"),
    [
        ({**REFUSED, "code": "sequence-reused", "detail": "any words"}, ResultCode.SEQUENCE_REUSED, None),
        ({**REFUSED, "code": "key-reused", "detail": None}, ResultCode.KEY_REUSED, None),
        ({**ACCEPTED, "code": "superseded", "sequence": 70, "detail": None}, ResultCode.SUPERSEDED, 70),
        ({**ACCEPTED, "code": "superseded", "sequence": True, "detail": None}, None, None),
        ({**ACCEPTED, "code": "superseded", "sequence": 10**15, "detail": None}, None, None),
        ({**ACCEPTED, "code": "superseded", "detail": "overtaken by sequence 70"}, None, None),
        ({**REFUSED, "code": None, "detail": "sequence reused"}, None, None),
        ({**REFUSED, "code": "of the future", "detail": "sequence reused"}, None, None),
        ({**REFUSED, "code": ["sequence-reused"], "detail": None}, None, None),
    ],
)
def test_code_decides_and_detail_does_not(result: dict[str, Any], code: object, sequence: object) -> None:
    receipt = read_receipt(
        json.dumps({**GOOD, "results": [{"key": MESSAGES[0].key, **result}, GOOD["results"][1]]}), MESSAGES
    )

    assert receipt is not None
    assert (receipt.results[0].code, receipt.results[0].sequence) == (code, sequence)


@pytest.mark.parametrize(
    ("status", "detail", "code", "sequence"),
    [
        ("refused", "sequence reused", ResultCode.SEQUENCE_REUSED, None),
        ("refused", "key reused", ResultCode.KEY_REUSED, None),
        ("accepted", "overtaken by sequence 70", ResultCode.SUPERSEDED, 70),
        ("accepted", "key reused", None, None),
        ("refused", "/type: sequence reused", None, None),
        ("accepted", "overtaken by sequence 1234567890123456", None, None),
    ],
)
def test_receipts_of_endpoints_before_0_1_0_are_understood(
    status: str, detail: str, code: object, sequence: object
) -> None:
    old = [{"key": message.key, "status": status, "detail": detail} for message in MESSAGES]

    receipt = read_receipt(json.dumps({**GOOD, "results": old}), MESSAGES)

    assert receipt is not None
    assert {(one.code, one.sequence) for one in receipt.results} == {(code, sequence)}


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
def test_receipt_for_other_messages_is_rejected(change: dict[str, Any]) -> None:
    assert read_receipt(json.dumps({**GOOD, **change}), MESSAGES) is None


def test_a_lone_surrogate_in_a_detail_is_replaced() -> None:
    text = json.dumps(GOOD).replace("/type: wrong", "bad name \\ud83d, good one \\ud83d\\ude00")

    receipt = read_receipt(text, MESSAGES)

    assert receipt is not None
    assert receipt.results[1].detail == "bad name ?, good one \U0001f600"


@pytest.mark.parametrize("text", ["", "[" * 100_000, "null", "[]", "NaN", "\ud800", '{"schema": 1e999}'])
def test_text_that_is_not_json_is_rejected(text: str) -> None:
    assert read_receipt(text, MESSAGES) is None


@given(JSON)
def test_arbitrary_document_is_rejected(document: object) -> None:
    assert read_receipt(json.dumps(document), MESSAGES) is None


@given(some.fixed_dictionaries({name: JSON | some.just(value) for name, value in GOOD.items()}))
def test_arbitrary_receipt_settles_all_messages_or_none(document: object) -> None:
    receipt = read_receipt(json.dumps(document), MESSAGES)

    assert receipt is None or len(receipt.results) == len(MESSAGES)


@given(some.text())
def test_arbitrary_text_is_rejected(text: str) -> None:
    assert read_receipt(text, MESSAGES) is None
