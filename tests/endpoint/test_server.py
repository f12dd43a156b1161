"""The real server, over sockets: framing, TLS, bombs, slow and hostile clients, and what one connection carries.

The rest of the contract is tested in this process, without a socket.
"""

import gzip
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from endpoint.core.json_body import MAX_VALUES
from tests.endpoint.conftest import MakeServer
from tests.endpoint.test_abuse import ascii_start
from tests.endpoint.test_heartbeats import beat, known
from tests.endpoint.test_messages import host_row
from tests.endpoint.test_refusals import NOT_BATCHES, event_batch, problem
from tests.support.endpoint_server import Client, EndpointServer
from tests.support.messages import HASH, Outbox

pytestmark = pytest.mark.xdist_group("endpoint-server")
HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

FRAMINGS = (
    "Transfer-Encoding: chunked\r\nContent-Length: {length}",
    "Content-Length: {length}\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: xchunked\r\nContent-Length: {length}",
    "Transfer-Encoding: \r\nContent-Length: {length}",
    "Transfer-Encoding : chunked\r\nContent-Length: {length}",
    "Transfer-Encoding: identity\r\nContent-Length: {length}",
    "Transfer-Encoding:\x0bchunked\r\nContent-Length: {length}",
    "Content-Length: {length}\r\nContent-Length: 0",
    "Content-Length: +{length}",
    "Content-Length: 0_{length}",
    "Content-Length: 0x20",
    "Content-Length: ",
    "Content-Length: {length}, {length}",
)


@contextmanager
def wire(server: EndpointServer) -> Iterator[ssl.SSLSocket]:
    connection = server.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)
    with stream:
        yield stream


def first_answer(server: EndpointServer, data: bytes, *, wait: bool = True) -> bytes:
    with wire(server) as stream:
        stream.sendall(data)
        return stream.recv(65536) if wait else b""


def statuses(server: EndpointServer, data: bytes) -> list[int]:
    """Send bytes as they are; return the status of every response until the server closes."""
    answers = b""
    with wire(server) as stream:
        # A server that is asked to close does so, however busy the machine is.
        stream.settimeout(60 if b"Connection: close" in data else 3)
        stream.sendall(data)
        try:
            while more := stream.recv(65536):
                answers += more
        except (TimeoutError, OSError):
            pass
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_a_connection_survives_every_rejected_body(agent: Client) -> None:
    assert agent.get("/v1/health").status == 200
    first = agent.connection.sock if agent.connection else None

    found = [agent.raw(data, Content_Encoding=encoding).status for data, encoding, _, _ in NOT_BATCHES]

    assert found == [status for _, _, status, _ in NOT_BATCHES]
    assert agent.get("/v1/health").status == 200
    assert agent.connection
    assert agent.connection.sock is first


def test_a_receipt_has_a_date_and_an_empty_response_has_nothing_else(agent: Client) -> None:
    box = Outbox()

    answer = agent.post(box.batch(box.event(), box.state(), box.heartbeat()))
    empty = [beat(agent, box, sequence) for sequence in (3, 3, 4)]

    assert answer.statuses == ["accepted"] * 3
    assert "Date" in answer.headers
    assert [(one.status, one.body, set(one.headers)) for one in empty] == [(204, b"", {"Date"})] * 3


@pytest.mark.parametrize("host_part", ["web1", "%00", "%D9%A3", "9" * 400])
def test_a_malformed_address_leaves_the_connection_open(agent: Client, host_part: str) -> None:
    assert problem(agent.beat(host_part, "x", "1", HASH))[0] == 400
    assert agent.get("/v1/health").status == 200


def test_the_journal_and_the_database_hold_no_secret(server: EndpointServer, agent: Client, token: str) -> None:
    assert agent.post(event_batch()).status == 200
    secret = token.split("_", 2)[2].encode()
    for file in server.directory.iterdir():
        if file.is_file():
            assert secret not in file.read_bytes(), file


def test_a_body_that_is_too_large_is_rejected_unread(agent: Client) -> None:
    answer = agent.raw(b" " * (2 << 20))

    assert problem(answer) == (413, "the body is longer than 1048576 bytes")


def test_a_gzip_bomb_is_rejected_within_its_memory_limit(server: EndpointServer, agent: Client) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(bomb.compress(b" " * (1 << 20)) for _ in range(900)) + bomb.flush()

    answer = agent.raw(data, Content_Encoding="gzip")

    assert len(data) < 1 << 20
    assert problem(answer)[0] == 413
    assert peak_kib(server) < 300 * 1024


def peak_kib(server: EndpointServer) -> int:
    assert server.process is not None
    process = Path("/proc") / str(server.process.pid)
    children = (process / "task" / process.name / "children").read_text().split()
    lines = [line for pid in children for line in (process.parent / pid / "status").read_text().splitlines()]
    peaks = [line for line in lines if line.startswith("VmHWM")]
    return max(int(line.split()[1]) for line in peaks)


def test_a_body_without_a_length_is_rejected(server: EndpointServer, token: str) -> None:
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
    )

    answers = [
        first_answer(server, f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode()),
        first_answer(server, f"{head}\r\n".encode()),
    ]

    assert [answer.split(b" ")[1] for answer in answers] == [b"411", b"411"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 100,
        b"POST /v1/messages HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_malformed_requests_and_disconnects_are_harmless(server: EndpointServer, agent: Client, data: bytes) -> None:
    for _ in range(3):
        first_answer(server, data, wait=False)
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(data)

    assert agent.post(event_batch()).statuses == ["accepted"]


def test_slow_clients_do_not_block_others(make_server: MakeServer) -> None:
    server = make_server(server={"threads": 2, "request_timeout_s": 2})
    server.start()
    agent = server.client(server.token())
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(6)]
    for connection in slow:
        connection.sendall(b"\x16")
    before = time.monotonic()

    answer = agent.post(event_batch())

    assert answer.status == 200
    assert time.monotonic() - before < 50
    for connection in slow:
        connection.close()


def test_a_heartbeat_changes_only_the_last_contact(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    agent = server.client(server.token())
    box = known(agent)
    before = host_row(server, box.host)
    time.sleep(1.1)

    beat(agent, box, 2)
    server.kill()  # what was answered is on disk
    after = host_row(server, box.host)

    assert str(after.pop("last_seen_at")) > str(before.pop("last_seen_at"))
    assert after == before


def test_pipelined_heartbeats_are_answered_in_order(server: EndpointServer, agent: Client, token: str) -> None:
    box = known(agent)
    body = json.dumps({"hash": HASH}).encode()
    requests = b"".join(
        (
            f"PUT /v1/hosts/{box.host}/instances/{box.instance}/heartbeats/{sequence} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for sequence in range(2, 12)
    )
    connection = server.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)

    answers = b""
    with stream:
        stream.sendall(requests)
        while answers.count(b"\r\n\r\n") < 10:
            received = stream.recv(65536)
            assert received, answers
            answers += received

    assert answers.count(b"HTTP/1.1 204 ") == 10
    assert len(answers) < 10 * 80


def test_concurrent_batches_and_heartbeats_get_their_own_responses(server: EndpointServer, token: str) -> None:
    wrong: list[object] = []

    def one() -> None:
        agent = Client(server=server, token=token)
        stranger = Outbox()
        box = known(agent)
        for sequence in range(2, 22):
            answers = beat(agent, box, sequence), beat(agent, stranger, sequence)
            wrong.extend(answer for answer, status in zip(answers, (204, 200), strict=True) if answer.status != status)
        agent.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("method", ["POST /v1/messages", "GET /v1/health"])
def test_an_ambiguous_request_closes_the_connection(
    server: EndpointServer, token: str, method: str, framing: str
) -> None:
    hidden = b"0\r\n\r\n" + HEALTH
    head = f"{method} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    found = statuses(server, head.encode() + framing.format(length=5).encode("latin-1") + b"\r\n\r\n" + hidden)

    assert len(found) <= 1
    assert not {200, 204, 503} & set(found) or method.startswith("GET")


def test_proxy_headers_are_ignored(server: EndpointServer, token: str) -> None:
    for header in ("SCRIPT_NAME: /v1", "SCRIPT_NAME: /nowhere", "X-Forwarded-Proto: https", "Host: \xff", "Expect: x"):
        head = f"GET /v1/fleet HTTP/1.1\r\n{header}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert set(statuses(server, head.encode("latin-1"))) <= {400, 403}, header


@pytest.mark.parametrize(
    "text", ["maestro_\x00_x", "maestro_\xe9_x", "maestro_%_x", "maestro_'--_x", "x" * 7000], ids=ascii_start
)
def test_a_token_of_any_characters_is_rejected(server: EndpointServer, text: str) -> None:
    head = f"GET /v1/fleet HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {text}\r\n\r\n"

    assert set(statuses(server, head.encode("latin-1"))) <= {400, 401}
    assert "request.failed" not in server.journal


def test_a_silent_client_is_disconnected_before_a_sending_one(make_server: MakeServer) -> None:
    server = make_server(server={"threads": 2})
    server.start()
    agent = server.client(server.token())
    box = Outbox()
    assert agent.post(box.batch(box.event())).status == 200
    agent.close()
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
    for connection in slow:
        connection.sendall(b"\x16\x03\x01")
    before = time.monotonic()

    answer = agent.post(box.batch(box.event()))

    assert answer.status == 200
    assert time.monotonic() - before < 50
    for connection in slow:
        connection.close()


def test_an_unauthenticated_body_has_a_short_deadline(server: EndpointServer) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n{"
    before = time.monotonic()

    with wire(server) as stream:
        stream.sendall(head)
        try:
            end = stream.recv(65536)
        except OSError:  # closed without a TLS alert
            end = b""

    assert end == b"" or end.startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - before < 25  # authenticated clients have 30


def test_an_authenticated_client_keeps_its_time_while_others_wait(make_server: MakeServer) -> None:
    server = make_server(server={"threads": 1})
    server.start()
    token, box = server.token(), Outbox()
    body = json.dumps(box.batch(box.event())).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()

    with wire(server) as slow:
        slow.sendall(head + body[:10])
        time.sleep(0.5)
        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(b"\x16\x03\x01")
            time.sleep(4.5)  # an unauthenticated client has 3 s
            slow.sendall(body[10:])
            answer = slow.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_every_logged_line_is_one_json_value(server: EndpointServer, agent: Client) -> None:
    statuses(server, b"GET /\x1b[2J HTTP/1.1\r\nA B: \x1b[2J\r\n\r\n")
    statuses(server, b"\x1b[2J\r\n\r\n")
    assert agent.get("/v1/health").status == 200

    for line in server.journal.splitlines():
        assert json.loads(line)["event"], line


@pytest.mark.parametrize("part", [b"{}", b"[]", b"0", b'""', b'{"a":0}'])
def test_a_body_with_too_many_values_is_rejected_within_its_memory_limit(
    server: EndpointServer, agent: Client, part: bytes
) -> None:
    data = b"[" + b",".join([part] * ((16 << 20) // (len(part) + 1) - 2)) + b"]"

    answer = agent.raw(gzip.compress(data), Content_Encoding="gzip")

    assert problem(answer) == (413, f"the body holds more than {MAX_VALUES} values")
    assert peak_kib(server) < 400 * 1024
