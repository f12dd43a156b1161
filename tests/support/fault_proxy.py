"""A proxy between an agent and its endpoint: TLS on both sides, with the faults of networks and servers."""

import contextlib
import http.client
import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

from tests.support.authority import Authority, Certificate

HANDSHAKE = ("refused", "wrong-certificate", "expired-certificate")
"""Faults of a connection."""
EXCHANGE = (
    "reset-mid-body",
    "slow",
    "http-500",
    "http-503",
    "http-429-seconds",
    "http-429-date",
    "redirect",
    "garbage",
    "half-an-answer",
    "another-receipt",
    "endless",
    "lost-answer",
    "page-400",
)
"""Faults of a request."""
_RESET = struct.pack("ii", 1, 0)


@dataclass(kw_only=True)
class FaultProxy:
    """A server on loopback; `choose` names the fault of each connection and request, "" for none."""

    authority: Authority
    stranger: Authority
    endpoint_port: int
    choose: Callable[[tuple[str, ...]], str]
    slow_s: float = 3.0
    own_answers: float = 0.0
    """Share of single heartbeats that the proxy accepts itself, to be fast."""
    passed: Callable[[int], None] = lambda _count: None
    """Called with the number of requests that the endpoint has answered, before the answer is passed on."""
    seen: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[float, int]] = field(default_factory=list)
    """Time and size in bytes of each request."""
    lines: list[str] = field(default_factory=list)
    """First line of each request."""

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._good = _context(self.authority.sign("localhost"), self.authority)
        self._wrong = _context(self.stranger.sign("localhost"), None)
        self._expired = _context(self.authority.sign("localhost-expired", expired=True), None)
        self._answered = 0
        self._connections: list[threading.Thread] = []
        self._shown: Certificate | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def demand(self, certificate: Certificate) -> None:
        """Require a client certificate, and present this one to the endpoint instead."""
        for context in (self._good, self._wrong, self._expired):
            context.load_verify_locations(self.authority.file)
            context.verify_mode = ssl.CERT_REQUIRED
        self._shown = certificate

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # otherwise the thread in accept() continues to accept
        self._socket.close()
        for thread in (self._thread, *self._connections):  # a delayed request must not reach the next test's endpoint
            thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                thread = threading.Thread(target=self._connection, args=(connection,), daemon=True)
                self._connections.append(thread)
                thread.start()

    def _connection(self, plain: socket.socket) -> None:
        fault = self.choose(HANDSHAKE)
        self.seen[fault] += bool(fault)
        if fault == "refused":
            _reset(plain)
            return
        context = {"wrong-certificate": self._wrong, "expired-certificate": self._expired}.get(fault, self._good)
        plain.settimeout(30)
        with contextlib.suppress(OSError, ValueError), plain, context.wrap_socket(plain, server_side=True) as tls:
            while self._exchange(tls):
                pass

    def _exchange(self, tls: ssl.SSLSocket) -> bool:
        """Handle one request; return whether the connection stays open."""
        head, body = _head(tls)
        if not head:
            return False
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers["content-length"])
        self.lines.append(lines[0])
        fault = self.choose(EXCHANGE)
        self.seen[fault or "none"] += 1
        if fault == "reset-mid-body":
            _reset(tls)
            return False
        while len(body) < length:
            body += _received(tls)
        self.requests.append((time.monotonic(), len(head) + 4 + length))
        canned = self._accepted_here() if not fault and lines[0].startswith("PUT ") else _canned(fault)
        if fault == "slow":
            time.sleep(self.slow_s)
        if canned is not None:
            tls.sendall(canned)
            return True
        if fault == "endless":
            _pour(tls)
        answer = self._pass_on(lines[0], headers, body)
        self._answered += 1
        self.passed(self._answered)
        if fault == "lost-answer":
            _reset(tls)
            return False
        tls.sendall(answer[: len(answer) // 2] if fault == "half-an-answer" else answer)
        return fault != "half-an-answer"

    def _accepted_here(self) -> bytes | None:
        return b"HTTP/1.1 204 No Content\r\n\r\n" if len(self.lines) % 100 < 100 * self.own_answers else None

    def _pass_on(self, line: str, headers: dict[str, str], body: bytes) -> bytes:
        method, path, _ = line.split(" ")
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if self._shown is not None:
            context.load_cert_chain(self._shown.file, self._shown.key)
        upstream = http.client.HTTPSConnection("127.0.0.1", self.endpoint_port, context=context, timeout=30)
        try:
            upstream.request(method, path, body, {name: value for name, value in headers.items() if name != "host"})
            answer = upstream.getresponse()
            text = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() in {"content-type", "date"}]
            return _answer(f"{answer.status} {answer.reason}", text, *kept)
        finally:
            upstream.close()


def chance(share: float, seed: int, *, handshakes: tuple[str, ...] = HANDSHAKE) -> Callable[[tuple[str, ...]], str]:
    """Return a choice that makes this share of requests fail; a connection fails with a quarter of that share."""
    generator = random.Random(seed)  # noqa: S311 - no secret
    lock = threading.Lock()

    def choose(faults: tuple[str, ...]) -> str:
        with lock:
            at_connection = faults is HANDSHAKE
            bound = share / 4 if at_connection else share
            return generator.choice(handshakes if at_connection else faults) if generator.random() < bound else ""

    return choose


def _context(certificate: Certificate, client_ca: Authority | None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate.file, certificate.key)
    if client_ca is not None:
        made.load_verify_locations(client_ca.file)
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


def _reset(connection: socket.socket) -> None:
    """Close a connection with a reset (RST)."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    raw = socket.socket(fileno=connection.detach())
    raw.close()


def _head(tls: ssl.SSLSocket) -> tuple[bytes, bytes]:
    """Return a request's head and the part of its body received with it; nothing if the connection was closed."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = tls.recv(65536)
        if not chunk:
            return b"", b""
        head += chunk
    head, _, body = head.partition(b"\r\n\r\n")
    return head, body


def _received(tls: ssl.SSLSocket) -> bytes:
    """Return the next bytes; raise ConnectionError where the client is gone."""
    if received := tls.recv(65536):
        return received
    raise ConnectionResetError


def _pour(tls: ssl.SSLSocket) -> None:
    """Send an endless answer."""
    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        tls.sendall(b" " * 65536)


def _answer(status: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _canned(fault: str) -> bytes | None:
    json_type = ("Content-Type", "application/json")
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=1), usegmt=True)
    receipt = b'{"schema": "maestro.receipt/1", "results": [{"key": "k", "status": "accepted"}], "resend_state": false}'
    return {
        "http-500": _answer("500 Oops", b"<html>trace</html>", ("Content-Type", "text/html")),
        "http-503": _answer("503 Busy", b"", ("Retry-After", "1")),
        "http-429-seconds": _answer("429 Slow down", b"{}", ("Retry-After", "1"), json_type),
        "http-429-date": _answer("429 Slow down", b"{}", ("Retry-After", soon), json_type),
        "redirect": _answer("307 Elsewhere", b"", ("Location", "https://127.0.0.1:1/stolen")),
        "garbage": _answer("200 OK", bytes(range(256)) * 9, json_type),
        "another-receipt": _answer("200 OK", receipt, json_type),
        "page-400": _answer("400 Bad", b"<html>a proxy's page</html>", ("Content-Type", "text/html")),
    }.get(fault)


def private_file(path: Path, text: str) -> Path:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path
