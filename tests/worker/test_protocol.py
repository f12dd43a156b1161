"""What can be asked of the root half is a closed list; whatever else comes over the socket is named and refused."""

import json
from typing import Any

import pytest

from agent.core.model.plan import Scope
from agent.errors import RecordError, UsageError
from agent.worker.protocol import (
    JobAnswer,
    JobRequest,
    Verb,
    decode_line,
    decode_request,
    encode_answer,
    encode_progress,
    encode_request,
)

REQUEST = JobRequest(
    verb=Verb.UPGRADE, scope=Scope.ALL, plan_id="p", wait=True, omit_document=True, requested_by="ann", state_dir="/s"
)


def line(**changes: Any) -> bytes:
    document = {**json.loads(encode_request(REQUEST)), **changes}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def test_a_request_arrives_as_it_was_sent() -> None:
    assert decode_request(encode_request(REQUEST).strip(), "/s") == REQUEST


def test_where_the_record_and_the_configuration_are_is_not_for_the_asker_to_say() -> None:
    sent = encode_request(JobRequest(verb=Verb.CHECK, state_dir="/tmp/theirs")).strip()  # noqa: S108 - nothing is written

    assert decode_request(sent, "/s").state_dir == "/s"
    assert decode_request(sent, "/s").config is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "maestro.request/2"}, "'maestro.request/2' is not known here"),
        ({"schema": ...}, "schema"),
        ({"verb": "reboot"}, "reboot"),
        ({"verb": "explain"}, "done in place"),
        ({"verb": 1}, "verb"),
        ({"scope": "everything"}, "everything"),
        ({"refresh": "yes"}, "refresh"),
        ({"plan_id": ["p"]}, "plan_id"),
        ({"wait": None}, "wait"),
        ({"brief": 1}, "brief"),
        ({"config": "/etc/theirs"}, "unknown field 'config'"),
        ({"state_dir": "/tmp"}, "unknown field 'state_dir'"),  # noqa: S108 - nothing is written
    ],
)
def test_a_request_that_is_not_on_the_list_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        decode_request(line(**changes), "/s")


@pytest.mark.parametrize(
    "raw", [b"", b"rubbish", b"\xff\xfe", b"[]", b"null", b"1", b"[" * 4000, b'{"schema": "\\ud800"}']
)
def test_what_is_no_request_at_all_is_refused(raw: bytes) -> None:
    with pytest.raises(UsageError, match="request"):
        decode_request(raw, "/s")


def test_a_long_name_of_an_asker_is_cut() -> None:
    assert len(decode_request(line(asked_by="x" * 3000), "/s").requested_by) == 64


def test_progress_and_answers_arrive_as_they_were_sent() -> None:
    answer = JobAnswer(exit_code=10, document={"schema": "s", "held": [1]}, error="e")

    assert decode_line(encode_progress("half way\n").decode()) == "half way\n"
    assert decode_line(encode_answer(answer).decode()) == answer


@pytest.mark.parametrize("raw", ["", "rubbish", "[]", "{}", '{"exit_code": "0", "error": ""}', '{"tell": 1}'])
def test_what_is_neither_progress_nor_an_answer_is_an_error(raw: str) -> None:
    with pytest.raises(RecordError, match="answer of the worker"):
        decode_line(raw)
