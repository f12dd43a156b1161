"""What somebody who means harm would try next: framing, bombs, names, numbers and times; with and without a token."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from endpoint.core.json_body import MAX_VALUES, parse_json
from endpoint.errors import RefusedError
from endpoint.store.database import Database
from endpoint.store.queries import FleetQueries
from tests.endpoint.conftest import Make
from tests.endpoint.test_messages import gaps, host_row
from tests.endpoint.test_refusals import _peak_kib, problem
from tests.endpoint.test_retention import NOW, put
from tests.support.endpoint_server import Centre, Client
from tests.support.messages import HASH, Outbox

NASTY = ("\x00", "\udce4", "a\nb", "\x1b[2J", "é" * 20, "'; DROP TABLE streams; --")


def ascii_start(text: str) -> str:
    return ascii(text)[1:20]


@contextmanager
def wire(centre: Centre) -> Iterator[ssl.SSLSocket]:
    connection = centre.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)
    with stream:
        yield stream


def statuses(centre: Centre, data: bytes) -> list[int]:
    """Send bytes as they are; return the statuses of all answers until the other side closes."""
    answers = b""
    with wire(centre) as stream:
        stream.settimeout(3)
        stream.sendall(data)
        try:
            while more := stream.recv(65536):
                answers += more
        except (TimeoutError, OSError):
            pass
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
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
    ],
)
@pytest.mark.parametrize("method", ["POST /v1/messages", "GET /v1/health"])
def test_a_request_whose_end_could_be_read_in_two_ways_ends_the_connection(
    centre: Centre, token: str, method: str, framing: str
) -> None:
    hidden = b"0\r\n\r\n" + HEALTH
    head = f"{method} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    found = statuses(centre, head.encode() + framing.format(length=5).encode("latin-1") + b"\r\n\r\n" + hidden)

    assert len(found) <= 1
    assert not {200, 204, 503} & set(found) or method.startswith("GET")


def test_headers_of_proxies_have_no_say(centre: Centre, token: str) -> None:
    for header in ("SCRIPT_NAME: /v1", "SCRIPT_NAME: /nowhere", "X-Forwarded-Proto: https", "Host: \xff", "Expect: x"):
        head = f"GET /v1/fleet HTTP/1.1\r\n{header}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        assert set(statuses(centre, head.encode("latin-1"))) <= {400, 403}, header


@pytest.mark.parametrize(
    "text", ["maestro_\x00_x", "maestro_\xe9_x", "maestro_%_x", "maestro_'--_x", "x" * 7000], ids=ascii_start
)
def test_a_token_of_any_letters_is_simply_unknown(centre: Centre, text: str) -> None:
    head = f"GET /v1/fleet HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {text}\r\n\r\n"

    assert set(statuses(centre, head.encode("latin-1"))) <= {400, 401}
    assert "request.failed" not in centre.journal


def test_methods_that_nobody_needs_do_nothing(client: Client) -> None:
    box = Outbox()
    path = f"/v1/hosts/{box.host}/instances/{box.instance}/heartbeats/1"

    found = {
        (method, where): client.send(method, where, None).status
        for method in ("HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT")
        for where in ("/v1/messages", path, "/v1/fleet")
    }

    assert {status for (method, _), status in found.items() if method not in {"OPTIONS", "HEAD"}} == {405}
    assert {status for (method, _), status in found.items() if method == "OPTIONS"} == {405}
    assert found["HEAD", "/v1/fleet"] == 403
    assert client.get("/v1//fleet").status == 404  # and no redirect
    assert client.get("/v1/./fleet").status == 404


def test_a_string_that_does_not_end_is_read_once() -> None:
    for data in (b'"' + b'\\"' * 4_000_000, b'"' + b'\\"' * 4_000_000 + b"\\", b'["\\\\' + b'"\\' * 4_000_000):
        before = time.process_time()
        with pytest.raises(RefusedError):
            parse_json(data)
        assert time.process_time() - before < 3


@pytest.mark.parametrize("part", [b"{}", b"[]", b"0", b'""', b'{"a":0}'])
def test_a_body_of_too_many_values_is_refused_before_they_are_made(centre: Centre, client: Client, part: bytes) -> None:
    data = b"[" + b",".join([part] * ((16 << 20) // (len(part) + 1) - 2)) + b"]"
    before = time.monotonic()

    answer = client.raw(gzip.compress(data), Content_Encoding="gzip")

    assert problem(answer) == (413, f"the body holds more than {MAX_VALUES} values")
    assert time.monotonic() - before < 5
    assert _peak_kib(centre) < 400 * 1024


def test_many_faults_in_a_large_body_are_found_soon(client: Client) -> None:
    box = Outbox()
    batch = box.batch(box.state(warnings=[0] * 100_000), box.state(warnings=[[]] * 50_000))
    before = time.monotonic()

    answer = client.post(batch)

    assert answer.statuses == ["refused"] * 2
    assert time.monotonic() - before < 3


def test_a_number_that_is_no_finite_one_is_no_json(client: Client) -> None:
    box = Outbox()
    text = json.dumps(box.batch(box.event(document={"x": 7654321})))

    assert problem(client.raw(text.replace("7654321", "1e999").encode()))[0] == 400
    assert problem(client.raw(text.replace("7654321", "-1e999").encode()))[0] == 400
    assert client.raw(text.replace("7654321", "1e300").encode()).statuses == ["accepted"]


@pytest.mark.parametrize("text", NASTY, ids=ascii_start)
def test_text_that_no_database_takes_hurts_nobody(centre: Centre, client: Client, text: str) -> None:
    box, lost = Outbox(), {"count": 1, "first_sequence": 2, "last_sequence": 2}
    batches = [
        {**box.batch(box.event()), "agent_version": text},
        box.batch({**box.event(), "created_at": text}),
        box.batch(box.event("messages-lost", {**lost, "reason": text})),
        box.batch(box.event("messages-lost", {**lost, "reason": 5, text: text})),
        box.batch(box.event("outcome", {"schema": text, text: 1})),
        box.batch(box.state(health=text, host={text: text})),
        box.batch(box.state(warnings=[text], jobs={text: {text: text}})),
        box.batch(box.event(document={text: [text]})),
        {**box.batch(box.event()), "host_id": box.host + text},
        {**box.batch(box.event()), "instance_id": box.instance + text},
    ]

    found = [client.post(batch).status for batch in batches]

    assert set(found) <= {200, 422}
    assert "request.failed" not in centre.journal
    for command in ("fleet", "gaps"):
        done = centre.run(command)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("since", ["2026-13-45T99:99:99Z", "0000-00-00T00:00:00Z", "2026-11-23T08:10:00.1Z"])
def test_a_time_that_never_was_spoils_no_table(centre: Centre, client: Client, since: str) -> None:
    box = Outbox()
    state = box.state()
    state["body"]["reboot"]["since"] = since
    assert client.post(box.batch(state)).statuses == ["accepted"]

    done = centre.run("fleet")

    assert (done.returncode, done.stderr) == (0, "")
    assert box.host in done.stdout


def test_numbers_at_the_edge_spoil_no_table(centre: Centre, client: Client) -> None:
    box = Outbox()
    outbox = {"depth": 0, "bytes": 0, "oldest_at": None, "dropped": 0, "refused": 0, "last_sequence": 2**53 - 1}
    client.post(box.batch(box.event(sequence=2**53 - 1), box.state(outbox=outbox)))
    client.beat(box.host, box.instance, 2**63 - 1, HASH)

    assert gaps(centre, box.host) == f"missing 1-{2**53 - 2}"
    assert host_row(centre, box.host)["missing_events"] == 2**53 - 2


def test_what_a_host_token_may_not_send_counts_towards_its_share(make: Make) -> None:
    centre = make(limits={"requests_per_minute": 60, "burst": 5})
    centre.start()
    box = Outbox()
    client = centre.client(centre.token("--host", box.host))
    anybody = centre.client(centre.token())
    stranger = Outbox()

    foreign = [client.post(stranger.batch(stranger.event())).status for _ in range(8)]
    bad = [anybody.raw(b"[]").status for _ in range(8)]

    assert foreign[0] == 403
    assert foreign[-1] == 429
    assert bad[0] == 422
    assert bad[-1] == 429


def test_a_centre_whose_clock_was_ahead_finds_hosts_silent_again(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW + timedelta(days=4000), box.event())
    put(database, box, NOW, box.event())

    assert FleetQueries(database).streams(NOW)[0].last_seen_at == NOW
    put(database, box, NOW - timedelta(seconds=5), box.event())
    assert FleetQueries(database).streams(NOW)[0].last_seen_at == NOW


def test_who_says_nothing_is_cut_sooner_than_who_sends(make: Make) -> None:
    centre = make(server={"threads": 2})
    centre.start()
    client = centre.client(centre.token())
    box = Outbox()
    assert client.post(box.batch(box.event())).status == 200
    client.close()
    slow = [socket.create_connection(("127.0.0.1", centre.port)) for _ in range(4)]
    for connection in slow:
        connection.sendall(b"\x16\x03\x01")
    before = time.monotonic()

    answer = client.post(box.batch(box.event()))

    assert answer.status == 200
    assert time.monotonic() - before < 15
    for connection in slow:
        connection.close()


def test_nobody_waits_long_for_the_body_of_a_stranger(centre: Centre) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n{"
    before = time.monotonic()

    with wire(centre) as stream:
        stream.sendall(head)
        try:
            end = stream.recv(65536)
        except OSError:  # cut without a word of TLS
            end = b""

    assert end == b"" or end.startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - before < 15  # of 30 that the known have


def test_what_the_server_itself_logs_is_one_json_value_a_line(centre: Centre, client: Client) -> None:
    statuses(centre, b"GET /\x1b[2J HTTP/1.1\r\nA B: \x1b[2J\r\n\r\n")
    statuses(centre, b"\x1b[2J\r\n\r\n")
    assert client.get("/v1/health").status == 200

    for line in centre.journal.splitlines():
        assert json.loads(line)["event"], line
