"""The worker accepts a closed list of requests; everything else on its socket is rejected with the fault named."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.scope import Scope
from agent.errors import RecordError, UsageError
from agent.worker.protocol import (
    JobAnswer,
    JobRequest,
    decode_line,
    decode_request,
    encode_answer,
    encode_progress,
    encode_request,
)

REQUEST = JobRequest(
    kind=JobKind.UPGRADE,
    scope=Scope.ALL,
    plan_id="p",
    wait=True,
    omit_document=True,
    requested_by="ann",
    state_dir="/s",
)


def line(**changes: Any) -> bytes:
    document = {**json.loads(encode_request(REQUEST)), **changes}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def test_a_request_survives_the_round_trip() -> None:
    assert decode_request(encode_request(REQUEST).strip(), "/s") == REQUEST


def test_a_request_cannot_choose_the_state_directory_or_the_configuration() -> None:
    sent = encode_request(JobRequest(kind=JobKind.CHECK, state_dir="/tmp/theirs")).strip()  # noqa: S108 - nothing is written

    assert decode_request(sent, "/s").state_dir == "/s"
    assert decode_request(sent, "/s").config is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "maestro.job-request/2"}, "'maestro.job-request/2' is not supported"),
        ({"schema": "maestro.request/1"}, "'maestro.request/1' is not supported"),
        ({"schema": ...}, "schema"),
        ({"job": "power-off"}, "power-off"),
        ({"session": "../1"}, "not a session"),
        ({"job": "explain"}, "not available over the socket"),
        ({"job": 1}, "job"),
        ({"scope": "everything"}, "everything"),
        ({"refresh": "yes"}, "refresh"),
        ({"plan_id": ["p"]}, "plan_id"),
        ({"wait": None}, "wait"),
        ({"omit_document": 1}, "omit_document"),
        ({"options": "dry-run"}, "options"),
        ({"options": ["purge"]}, "purge"),
        ({"config": "/etc/theirs"}, "unknown field 'config'"),
        ({"state_dir": "/tmp"}, "unknown field 'state_dir'"),  # noqa: S108 - nothing is written
    ],
)
def test_a_request_outside_the_list_is_rejected_with_the_fault_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decode_request(line(**changes), "/s")


@pytest.mark.parametrize(
    "raw", [b"", b"rubbish", b"\xff\xfe", b"[]", b"null", b"1", b"[" * 4000, b'{"schema": "\\ud800"}']
)
def test_input_that_is_not_a_request_is_rejected(raw: bytes) -> None:
    with pytest.raises(UsageError, match="request"):
        decode_request(raw, "/s")


def test_the_options_of_an_engine_upgrade_survive_the_round_trip() -> None:
    options = frozenset({JobOption.ALLOW_DOWNGRADE, JobOption.REMOVE_CONTAINERS})
    request = JobRequest(kind=JobKind.DOCKER_UPGRADE, options=options, state_dir="/s")

    assert decode_request(encode_request(request).strip(), "/s") == request


def test_packages_survive_the_round_trip() -> None:
    request = replace(REQUEST, packages=("nginx", "libc6:amd64", "g++"))

    assert decode_request(encode_request(request).strip(), "/s") == request


def test_a_client_of_an_earlier_version_requests_no_packages() -> None:
    assert b"packages" not in encode_request(REQUEST)
    assert decode_request(line(packages=None), "/s").packages == ()


@pytest.mark.parametrize(
    "name",
    [
        *("", "-o", "--all", "a b", "a\n", "a\0", "a/../b", "/etc/passwd", "a=1", "a*", "^a", "A", "ü", "\udc80", "a:"),
        *(":amd64", "a:amd64:b", "a:-x", "n" * 129, "$(id)", "a;b"),
    ],
)
def test_what_is_no_package_name_is_rejected(name: str) -> None:
    with pytest.raises(UsageError, match="is not a package name"):
        decode_request(line(packages=["nginx", name]), "/s")


@pytest.mark.parametrize("packages", ["nginx", 1, {"a": "b"}, [1], [["a"]], [None]])
def test_packages_that_are_no_list_of_names_are_rejected(packages: object) -> None:
    with pytest.raises(UsageError, match="packages"):
        decode_request(line(packages=packages), "/s")


def test_a_request_that_would_be_too_long_is_not_sent() -> None:
    with pytest.raises(UsageError, match="too many packages"):
        encode_request(replace(REQUEST, packages=tuple(f"package-{number}" for number in range(400))))


def test_a_long_requested_by_is_cut() -> None:
    assert len(decode_request(line(requested_by="x" * 3000), "/s").requested_by) == 64


def test_progress_and_answers_survive_the_round_trip() -> None:
    answer = JobAnswer(exit_code=10, document={"schema": "s", "held": [1]}, error="e", recorded=True, warnings=("w",))

    assert decode_line(encode_progress("half way\n").decode()) == "half way\n"
    assert decode_line(encode_answer(answer).decode()) == answer


@pytest.mark.parametrize("raw", ["", "rubbish", "[]", "{}", '{"exit_code": "0", "error": ""}', '{"progress": 1}'])
def test_a_line_that_is_neither_progress_nor_an_answer_is_an_error(raw: str) -> None:
    with pytest.raises(RecordError, match="answer of the worker"):
        decode_line(raw)
