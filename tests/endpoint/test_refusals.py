"""What cannot be taken is answered clearly, and costs little."""

import gzip
import json
import socket
import ssl
import time
import zlib
from pathlib import Path

import pytest

from tests.endpoint.conftest import Make
from tests.support.endpoint_server import Answer, Centre, Client
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


def test_nobody_unknown_is_let_in(centre: Centre, token: str) -> None:
    name, _, secret = token.rpartition("_")
    for other in (None, "", "x", name, f"{name}_", f"{name}_{secret[:-1]}", f"{name}_{secret}x", "maestro_\udce4_x"):
        answer = centre.client(other).post(event_batch()) if other is None else _with(centre, other)
        assert problem(answer)[0] == 401, other
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def _with(centre: Centre, text: str) -> Answer:
    return centre.client().post(
        event_batch(), Authorization=f"Bearer {text}".encode("latin-1", "replace").decode("latin-1")
    )


def test_a_revoked_token_is_good_for_seconds_at_most(centre: Centre) -> None:
    token = centre.token("--name", "short-lived")
    client = centre.client(token)
    assert client.post(event_batch()).status == 200
    listed = centre.run("token", "list").stdout

    done = centre.run("token", "revoke", token.split("_")[1])
    deadline = time.monotonic() + 8
    while client.post(event_batch()).status == 200 and time.monotonic() < deadline:
        time.sleep(0.2)

    assert done.returncode == 0
    assert client.post(event_batch()).status == 401
    assert token not in listed
    assert token.split("_")[1] in listed
    assert centre.run("token", "revoke", token.split("_")[1]).returncode == 2


def test_a_token_of_one_host_does_not_speak_for_another(centre: Centre) -> None:
    box = Outbox()
    client = centre.client(centre.token("--host", box.host))

    assert client.post(box.batch(box.event())).statuses == ["accepted"]
    assert problem(client.post(event_batch()))[0] == 403


def test_secrets_are_neither_stored_nor_logged(centre: Centre, token: str) -> None:
    secret = token.rpartition("_")[2].encode()
    for file in centre.directory.iterdir():
        if file.is_file():
            assert secret not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("data", "encoding", "status", "words"),
    [
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
    ],
    ids=lambda part: part[:2].hex() if isinstance(part, bytes) else str(part),  # what is random comes later
)  # fmt: skip
def test_what_is_no_batch_is_refused_with_the_place(
    client: Client, data: bytes, encoding: str, status: int, words: str
) -> None:
    answer = client.raw(data, Content_Encoding=encoding)

    assert problem(answer)[0] == status
    assert words in problem(answer)[1]
    assert client.get("/v1/health").status == 200  # the connection is still good


def test_where_a_batch_is_wrong_is_told_as_a_pointer(client: Client) -> None:
    box = Outbox()
    batch = box.batch({**box.event(), "sequence": 0})

    assert client.post(batch).json["errors"] == [
        {"pointer": "/messages/0/sequence", "detail": "0 is less than the minimum of 1"}
    ]


def test_a_body_that_is_too_large_is_refused_unread(client: Client) -> None:
    answer = client.raw(b" " * (2 << 20))

    assert problem(answer) == (413, "the body is longer than 1048576 bytes")


def test_a_bomb_is_refused_before_it_goes_off(centre: Centre, client: Client) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(bomb.compress(b" " * (1 << 20)) for _ in range(900)) + bomb.flush()
    before = time.monotonic()

    answer = client.raw(data, Content_Encoding="gzip")

    assert len(data) < 1 << 20
    assert problem(answer)[0] == 413
    assert time.monotonic() - before < 5
    assert _peak_kib(centre) < 300 * 1024


def _peak_kib(centre: Centre) -> int:
    assert centre.process is not None
    process = Path("/proc") / str(centre.process.pid)
    children = (process / "task" / process.name / "children").read_text().split()
    lines = [line for pid in children for line in (process.parent / pid / "status").read_text().splitlines()]
    peaks = [line for line in lines if line.startswith("VmHWM")]
    return max(int(line.split()[1]) for line in peaks)


def test_other_addresses_methods_and_types_are_named(client: Client) -> None:
    body = json.dumps(event_batch()).encode()

    assert problem(client.get("/"))[0] == 404
    wrong_method = client.get("/v1/messages")
    assert problem(wrong_method)[0] == 405
    assert "POST" in wrong_method.headers["Allow"]
    assert problem(client.raw(body, Content_Type="text/plain"))[0] == 415


def test_a_body_without_a_length_is_refused(centre: Centre, token: str) -> None:
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
    )

    answers = [
        _said(centre, f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode()),
        _said(centre, f"{head}\r\n".encode()),
    ]

    assert [answer.split(b" ")[1] for answer in answers] == [b"411", b"411"]


def _said(centre: Centre, data: bytes, *, wait: bool = True) -> bytes:
    connection = centre.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)
    with stream:
        stream.sendall(data)
        return stream.recv(65536) if wait else b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100,
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_garbage_and_hanging_up_leave_it_well(centre: Centre, client: Client, data: bytes) -> None:
    for _ in range(3):
        _said(centre, data, wait=False)
        with socket.create_connection(("127.0.0.1", centre.port)) as plain:
            plain.sendall(data)

    assert client.post(event_batch()).statuses == ["accepted"]


def test_a_host_that_sends_too_much_is_told_when_to_come_again(make: Make) -> None:
    centre = make(limits={"requests_per_minute": 60, "burst": 5})
    centre.start()
    box, neighbour = Outbox(), Outbox()
    client = centre.client(centre.token())

    answers = [client.post(box.batch(box.event())) for _ in range(8)]
    other = client.post(neighbour.batch(neighbour.event()))

    assert [answer.status for answer in answers[:5]] == [200] * 5
    late = answers[-1]
    assert problem(late)[0] == 429
    assert 1 <= int(late.headers["Retry-After"]) <= 5
    assert other.status == 200
    time.sleep(int(late.headers["Retry-After"]))
    assert client.post(box.batch(box.event())).status == 200


def test_slow_senders_do_not_keep_the_others_out(make: Make) -> None:
    centre = make(server={"threads": 2, "request_timeout_s": 2})
    centre.start()
    client = centre.client(centre.token())
    slow = [socket.create_connection(("127.0.0.1", centre.port)) for _ in range(6)]
    for connection in slow:
        connection.sendall(b"\x16")
    before = time.monotonic()

    answer = client.post(event_batch())

    assert answer.status == 200
    assert time.monotonic() - before < 15
    for connection in slow:
        connection.close()
