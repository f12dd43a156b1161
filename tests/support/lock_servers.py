"""FleetLock servers of three dialects, over real HTTP, with the faults of networks and servers.

Each dialect answers as its original does: airlock (Go, etcd), poseidon/fleetlock (Kubernetes leases),
heathcliff26/fleetlock. Own code, made from their documented answers.
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

ACQUIRE, RELEASE = "/v1/pre-reboot", "/v1/steady-state"
LOST = ("hang", "reset-before", "half-line", "half-body", "lost-answer", "delayed", "late")
"""Faults after which the client has no answer: the server is silent, resets the connection, or is cut off.

After "delayed" (silence) and "late" (reset) the request is carried out by `LockServer.deliver`.
"""
SILENT = frozenset({"hang", "delayed"})
"""The client waits as long as it is willing to."""
ANSWERED = ("redirect", "error-after", "garbage", "huge", "page", "unavailable", "too-many", "not-found")
FAULTS = (*LOST, *ANSWERED)
_CARRIED_OUT = frozenset({"half-line", "half-body", "lost-answer", "error-after"})
_PATIENCE_S = 60.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body)}", f"Content-Type: {self.content_type}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Backend(Protocol):
    """What answers a well-formed request."""

    def answer(self, path: str, body: Mapping[str, object]) -> Reply:
        """Carry out a call; `body` is the parsed JSON."""

    def holders(self) -> set[tuple[str, str]]:
        """Return group and id of each holder."""


def _error(status: int, kind: str, value: str, content_type: str = "application/json") -> Reply:
    return Reply(status=status, body=json.dumps({"kind": kind, "value": value}).encode(), content_type=content_type)


@dataclass(kw_only=True)
class Semaphores:
    """Slots by group; what the three dialects have in common."""

    slots: dict[str, int]
    held: set[tuple[str, str]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def holders(self) -> set[tuple[str, str]]:
        with self.lock:
            return set(self.held)

    def answer(self, path: str, body: Mapping[str, object]) -> Reply:
        params = body["client_params"]
        assert isinstance(params, dict)
        with self.lock:
            return (self.acquire if path == ACQUIRE else self.release)(str(params["group"]), str(params["id"]))

    def acquire(self, group: str, client: str) -> Reply:
        if group not in self.slots:
            return self.unknown(group)
        if (group, client) not in self.held and sum(one == group for one, _ in self.held) >= self.slots[group]:
            return self.full(group)
        self.held.add((group, client))
        return self.granted(client)

    def release(self, group: str, client: str) -> Reply:
        if group not in self.slots:
            return self.unknown(group)
        if (group, client) not in self.held and any(one == group for one, _ in self.held):
            return self.held_by_other(group)
        self.held.discard((group, client))
        return self.granted(client)

    def granted(self, client: str) -> Reply:
        raise NotImplementedError

    def full(self, group: str) -> Reply:
        raise NotImplementedError

    def held_by_other(self, _group: str) -> Reply:
        return self.granted("")

    def unknown(self, group: str) -> Reply:
        raise NotImplementedError


class Airlock(Semaphores):
    """An empty body for success; errors through Go's http.Error, so as text/plain."""

    def granted(self, client: str) -> Reply:
        del client
        return Reply(status=200)

    def full(self, group: str) -> Reply:
        text = f"failed to lock semaphore: all {self.slots[group]} semaphore slots currently locked"
        return _error(500, "failed_lock", text, "text/plain; charset=utf-8")

    def unknown(self, group: str) -> Reply:
        return _error(400, "unknown_group", f'unknown group "{group}"', "text/plain; charset=utf-8")


class Poseidon(Semaphores):
    """One lease for each group, made on demand; "held by another" also for the release."""

    def acquire(self, group: str, client: str) -> Reply:
        self.slots.setdefault(group, 1)
        return super().acquire(group, client)

    def release(self, group: str, client: str) -> Reply:
        self.slots.setdefault(group, 1)
        return super().release(group, client)

    def granted(self, client: str) -> Reply:
        return Reply(status=200, body=f"lease for {client}\n".encode())

    def full(self, group: str) -> Reply:
        return _error(423, "lock_held", f"fleetlock: lease held by another node of {group}")

    def held_by_other(self, _group: str) -> Reply:
        return self.full(_group)

    def unknown(self, group: str) -> Reply:
        raise AssertionError(group)


class Heathcliff(Semaphores):
    """JSON for success, too."""

    def granted(self, client: str) -> Reply:
        del client
        return _error(200, "success", "The operation was successful")

    def full(self, group: str) -> Reply:
        return _error(423, "all_slots_full", f"Could not reserve a slot as all slots in {group} are currently locked")

    def unknown(self, group: str) -> Reply:
        return _error(500, "error", f"unknown group {group}")


DIALECTS: Mapping[str, Callable[[dict[str, int]], Semaphores]] = {
    "airlock": lambda slots: Airlock(slots=slots),
    "poseidon": lambda slots: Poseidon(slots=slots),
    "heathcliff26": lambda slots: Heathcliff(slots=slots),
}


@dataclass(kw_only=True)
class LockServer:
    """A running server in front of a backend; `faults` are those of the next requests, "" for none."""

    backend: Backend
    url: str = ""
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers by name in lower case, and body."""
    delayed: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    on_request: Callable[[], None] = lambda: None
    """Called once a request has been carried out, before the answer."""

    def deliver(self) -> None:
        """Carry out what was delayed, in its order; first wait for the requests that a silence is meant for.

        A client that gives up after a silence may do so before the server's thread has read its request. After another
        fault the client has had an answer; if it sends no second request, the fault of that one is left.
        """
        until = time.monotonic() + _PATIENCE_S
        while SILENT.intersection(self.faults) and time.monotonic() < until:
            time.sleep(0.005)
        while self.delayed:
            self.backend.answer(*self.delayed.pop(0))


def _canned(fault: str) -> Reply | None:
    return {
        "redirect": Reply(status=307, headers=(("Location", "http://192.0.2.1/v1/pre-reboot"),)),
        "error-after": _error(500, "error", "the database is gone"),
        "garbage": Reply(status=599, body=b"\xff\x00{[\x1b[31m", content_type="application/json"),
        "huge": Reply(status=200, body=b" " * (1 << 20)),
        "page": Reply(status=200, body=b"<!DOCTYPE html><title>Log in</title>", content_type="text/html"),
        "unavailable": Reply(status=503, headers=(("Retry-After", "7"),)),
        "too-many": Reply(status=429, headers=(("Retry-After", "7"),)),
        "not-found": Reply(status=404, body=b"404 page not found\n"),
    }.get(fault)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        served = self.server.served
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        served.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        fault = served.faults[0] if served.faults else ""
        self.close_connection = True
        if fault in {"delayed", "late"}:
            served.delayed.append((self.path, json.loads(body)))
        del served.faults[:1]  # from here on `deliver` goes on
        if fault in SILENT:
            with contextlib.suppress(OSError):  # until the client gives up
                self.connection.recv(1)
            return
        if fault in {"reset-before", "late"}:
            self._reset()
            return
        reply = self._reply(body) if not fault or fault in _CARRIED_OUT else Reply(status=200)
        served.on_request()
        sent = (_canned(fault) or reply).encoded()
        with contextlib.suppress(OSError):
            self._send(fault, sent)

    def do_GET(self) -> None:
        self.wfile.write(_error(405, "method_not_allowed", "POST only").encoded())

    def log_message(self, *_: object) -> None:
        return

    def _send(self, fault: str, sent: bytes) -> None:
        if fault == "lost-answer":
            self._reset()
        elif fault == "half-line":
            self.wfile.write(sent[:9])
        elif fault == "half-body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + sent[-20:])
        else:
            self.wfile.write(sent)

    def _reply(self, body: bytes) -> Reply:
        if self.headers.get("fleet-lock-protocol") != "true":
            return _error(400, "missing_fleetlock_header", "no header")
        if self.path not in {ACQUIRE, RELEASE}:
            return Reply(status=404, body=b"404 page not found\n")
        return self.server.served.backend.answer(self.path, json.loads(body))

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    served: LockServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients are killed, and connections reset."""


@contextlib.contextmanager
def lock_server(backend: Backend, tls: ssl.SSLContext | None = None) -> Iterator[LockServer]:
    """Serve a backend on the loopback address until the block ends."""
    served = LockServer(backend=backend)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = served
    if tls is not None:  # the handshake is the handler's, in its own thread
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    served.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
