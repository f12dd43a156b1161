"""Rejected requests: status, reason and pointer."""

import gzip
import io
import json
import time
import zlib

import pytest

from endpoint import log
from tests.endpoint.conftest import Clock, MakeEndpoint
from tests.support.endpoint_server import Answer
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.messages import Outbox


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json
    assert document["type"] == "about:blank"
    assert document["status"] == answer.status
    assert document["title"]
    return answer.status, document["detail"]


def event_batch(**changes: object) -> dict[str, object]:
    box = Outbox()
    return {**box.batch(box.event()), **changes}


def test_invalid_tokens_are_rejected(endpoint: LocalEndpoint) -> None:
    token = endpoint.any_host_token
    start, identity, secret = token.split("_", 2)
    name = f"{start}_{identity}"
    for other in (None, "", "x", name, f"{name}_", f"{name}_{secret[:-1]}", f"{name}_{secret}x", "maestro_\udce4_x"):
        answer = endpoint.client(other).post(event_batch()) if other is None else _with(endpoint, other)
        assert problem(answer)[0] == 401, other
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def _with(endpoint: LocalEndpoint, text: str) -> Answer:
    return endpoint.client().post(
        event_batch(), Authorization=f"Bearer {text}".encode("latin-1", "replace").decode("latin-1")
    )


def test_a_revoked_token_is_rejected_within_seconds(endpoint: LocalEndpoint) -> None:
    token = endpoint.token("--name", "short-lived")
    client = endpoint.client(token)
    assert client.post(event_batch()).status == 200
    listed = endpoint.run("token", "list").stdout

    done = endpoint.run("token", "revoke", token.split("_")[1])
    deadline = time.monotonic() + 60
    while client.post(event_batch()).status == 200 and time.monotonic() < deadline:
        time.sleep(0.2)

    assert done.returncode == 0
    assert client.post(event_batch()).status == 401
    assert token not in listed
    assert token.split("_")[1] in listed
    assert endpoint.run("token", "revoke", token.split("_")[1]).returncode == 2


def test_a_host_token_is_not_valid_for_another_host(endpoint: LocalEndpoint) -> None:
    box = Outbox()
    client = endpoint.client(endpoint.token("--host", box.host))

    assert client.post(box.batch(box.event())).statuses == ["accepted"]
    assert problem(client.post(event_batch()))[0] == 403


def test_secrets_are_neither_stored_nor_logged(endpoint: LocalEndpoint, client: LocalClient) -> None:
    assert client.post(event_batch()).status == 200
    secret = endpoint.any_host_token.split("_", 2)[2].encode()
    for file in endpoint.directory.iterdir():
        if file.is_file():
            assert secret not in file.read_bytes(), file
    assert secret.decode() not in endpoint.journal


NOT_BATCHES: list[tuple[bytes, str, int, str]] = [
    (b"", "identity", 400, "not JSON"),
    (b"{", "identity", 400, "not JSON"),
    (b'{"a": NaN}', "identity", 400, "NaN"),
    (b'"\xff"', "identity", 400, "not UTF-8"),
    (b"[" * 100_000 + b"]" * 100_000, "identity", 400, "nested"),
    (b'["\\"[[[["]', "identity", 422, "is not of type 'object'"),
    (b"1" * 10_000, "identity", 400, "not JSON"),
    (b"{}", "gzip", 400, "not gzip"),
    (gzip.compress(b"{}" * 50)[:-9], "gzip", 400, "cut short"),
    (gzip.compress(b"{}") + b"x", "gzip", 400, "follows"),
    (zlib.compress(b"{}"), "gzip", 400, "not gzip"),
    (b"{}", "br", 415, "gzip"),
    (b"{}", "identity", 422, "'schema' is a required property"),
    (b"null", "identity", 422, "is not of type 'object'"),
    (json.dumps(event_batch(messages=[])).encode(), "identity", 422, "/messages"),
    (json.dumps(event_batch(host_id="web1")).encode(), "identity", 422, "/host_id"),
    (json.dumps(event_batch(messages=[{}])).encode(), "identity", 422, "/messages/0"),
    (json.dumps(event_batch(messages=[{}] * 501)).encode(), "identity", 413, "500 messages"),
]  # fmt: skip
"""Body, encoding, status, and part of the detail."""


@pytest.mark.parametrize(
    ("data", "encoding", "status", "expected"),
    NOT_BATCHES,
    ids=lambda part: part[:2].hex() if isinstance(part, bytes) else str(part),  # random data comes later
)
def test_an_invalid_batch_is_rejected_with_the_reason(
    client: LocalClient, data: bytes, encoding: str, status: int, expected: str
) -> None:
    answer = client.raw(data, Content_Encoding=encoding)

    assert problem(answer)[0] == status
    assert expected in problem(answer)[1]


def test_an_invalid_batch_is_rejected_with_a_pointer(client: LocalClient) -> None:
    box = Outbox()
    batch = box.batch({**box.event(), "sequence": 0})

    assert client.post(batch).json["errors"] == [
        {"pointer": "/messages/0/sequence", "detail": "0 is less than the minimum of 1"}
    ]


def test_wrong_paths_methods_and_types_are_rejected(client: LocalClient) -> None:
    body = json.dumps(event_batch()).encode()

    assert problem(client.get("/v1/"))[0] == 404
    wrong_method = client.get("/v1/messages")
    assert problem(wrong_method)[0] == 405
    assert "POST" in wrong_method.headers["Allow"]
    assert problem(client.raw(body, Content_Type="text/plain"))[0] == 415


def test_a_host_above_its_rate_limit_gets_retry_after(make_endpoint: MakeEndpoint, still_clock: Clock) -> None:
    endpoint = make_endpoint(limits={"requests_per_minute": 60, "burst": 5})
    box, neighbour = Outbox(), Outbox()
    client = endpoint.client(endpoint.token())

    answers = [client.post(box.batch(box.event())) for _ in range(8)]
    other = client.post(neighbour.batch(neighbour.event()))

    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    late = answers[-1]
    assert problem(late)[0] == 429
    assert int(late.headers["Retry-After"]) == 1
    assert other.status == 200
    still_clock.now_s += 0.5
    assert client.post(box.batch(box.event())).status == 429
    still_clock.now_s += 0.5
    assert client.post(box.batch(box.event())).status == 200


class _Gone(io.RawIOBase):
    """The body of a client that is gone."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        raise ConnectionResetError("gone")


def test_a_refusal_does_not_need_the_body_to_be_readable(endpoint: LocalEndpoint) -> None:
    sent = (
        endpoint.client("none")
        .app.test_client()
        .open(
            "/v1/messages",
            method="POST",
            content_type="application/json",
            environ_overrides={"wsgi.input": _Gone(), "CONTENT_LENGTH": "10"},
        )
    )

    assert (sent.status_code, sent.headers["Connection"]) == (401, "close")


def test_what_flask_logs_is_one_json_value(endpoint: LocalEndpoint, capfd: pytest.CaptureFixture[str]) -> None:
    log.set_up()
    try:
        raise ValueError("unexpected")
    except ValueError:
        endpoint.client().app.logger.exception("a\nb")

    last = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (last["event"], last["detail"]) == ("library.failed", "a\nb")
    assert "ValueError: unexpected" in last["exception"]
