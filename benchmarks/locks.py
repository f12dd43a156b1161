"""Reboot slots: 10,000 hosts in 50 groups that all want to reboot at once, against the endpoint on PostgreSQL.

First the calls that are answered in a second, then a rollout in real time with reboots of some seconds; the load
generator is on the same machine.
"""

import heapq
import itertools
import json
import random
import ssl
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.figures import Aims
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.postgres import cluster

HOSTS = 10_000
GROUPS = 50
SLOTS = 10
REBOOT_S = 20.0
CONNECTIONS = 16
WORKERS = 2
_CALLS_PER_S = 300
_MOST_OF_IDEAL = 1.2
_LOCK, _UNLOCK = "pre-reboot", "steady-state"
_OF_GROUP = HOSTS // GROUPS
_OK, _LOCKED = 200, 423


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a call."""

    status: int
    retry_after_s: int


class LockConnection:
    """One TLS connection that stays open; the calls are built by hand, so that the load generator costs little."""

    def __init__(self, server: EndpointServer, token: str) -> None:
        connection = server.client().connect()
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        self._stream = connection.sock
        self._head = f"Host: localhost\r\nAuthorization: Bearer {token}\r\nfleet-lock-protocol: true\r\n"

    def call(self, operation: str, host: int) -> Reply:
        """Make one call."""
        body = json.dumps({"client_params": {"id": f"host-{host:05}", "group": group_of(host)}})
        head = f"POST /v1/{operation} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        self._stream.sendall((head + body).encode())
        answer = b""
        while not (b"\r\n\r\n" in answer and (b"\r\nContent-Length: 0\r\n" in answer or answer.endswith(b"}"))):
            more = self._stream.recv(65536)
            assert more, answer
            answer += more
        fields = dict(line.split(": ", 1) for line in answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:])
        return Reply(status=int(answer[9:12]), retry_after_s=int(fields.get("Retry-After", "0")))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def locks(aims: Aims) -> None:
    """Measure calls a second, and how long hosts wait."""
    aims.where = "locks"
    with _server() as server:
        token = server.token("--name", "load")
        per_second = _measure_calls(server, token)
    aims.at_least("lock calls a second on PostgreSQL", per_second, _CALLS_PER_S)
    with _server() as server:
        rollout = Rollout()
        rollout.run(server, server.token("--name", "load"))
    ideal = median(number // SLOTS * REBOOT_S for number in range(_OF_GROUP))
    waits = sorted(rollout.waits)
    print(f"\n{HOSTS} hosts in {GROUPS} groups of {SLOTS} slots, each reboot {REBOOT_S:g} s: {rollout.calls} calls, "
          f"{rollout.calls / rollout.seconds:.0f}/s; waited: median {median(waits):.0f} s, longest {waits[-1]:.0f} s; "
          f"all done after {rollout.seconds:.0f} s", flush=True)  # fmt: skip
    longest = (_OF_GROUP - 1) // SLOTS * REBOOT_S
    aims.holds(f"every host got a slot ({len(waits)} of {HOSTS})", met=len(waits) == HOSTS)
    aims.holds(
        f"never more holders than slots (at most {rollout.most_held} of {SLOTS})", met=rollout.most_held <= SLOTS
    )
    aims.at_most("median wait, as a multiple of the ideal,", median(waits) / ideal, _MOST_OF_IDEAL)
    aims.at_most("longest wait, as a multiple of the last host's ideal,", waits[-1] / longest, _MOST_OF_IDEAL)


def group_of(host: int) -> str:
    """Return a host's group."""
    return f"group-{host % GROUPS:02}"


def _measure_calls(server: EndpointServer, token: str) -> float:
    """Let every host ask, ask again, and give back; each connection makes the next call as soon as it has an answer."""
    order = random.Random(15).sample(range(HOSTS), HOSTS)  # noqa: S311 - an order
    asks = [(_LOCK, host) for host in order]
    calls = deque([*asks, *asks, *((_UNLOCK, host) for host in order)])
    count, found, latencies = len(calls), Counter[int](), list[float]()

    def work() -> None:
        connection = LockConnection(server, token)
        while calls:
            try:
                operation, host = calls.popleft()
            except IndexError:
                break  # another connection took the last one
            before = time.perf_counter()
            found[connection.call(operation, host).status] += 1
            latencies.append(time.perf_counter() - before)
        connection.close()

    seconds = _timed([threading.Thread(target=work) for _ in range(CONNECTIONS)])
    assert sum(found.values()) == count, found
    assert found[_LOCKED] >= HOSTS, found
    ordered = sorted(latencies)
    print(
        f"\n{count} calls of {HOSTS} hosts in {GROUPS} groups over {CONNECTIONS} connections, {found[_LOCKED]} refused"
    )
    p99 = ordered[int(count * 0.99)]
    print(f"{count / seconds:.0f}/s, median {median(ordered) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", flush=True)
    return count / seconds


def _timed(threads: list[threading.Thread]) -> float:
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


@dataclass(kw_only=True)
class Rollout:
    """All hosts ask at once; one with a slot reboots and gives it back, others ask again after Retry-After."""

    waits: list[float] = field(default_factory=list)
    calls: int = 0
    most_held: int = 0
    seconds: float = 0.0
    _held: Counter[str] = field(default_factory=Counter)
    _due: list[tuple[float, int, str, int]] = field(default_factory=list)
    _left: int = HOSTS
    _number: Iterator[int] = field(default_factory=itertools.count)
    _mutex: threading.Condition = field(default_factory=threading.Condition)
    _first_asked: dict[int, float] = field(default_factory=dict)

    def run(self, server: EndpointServer, token: str) -> None:
        """Run until every host has rebooted."""
        started = time.monotonic()
        self._due = [(started, next(self._number), _LOCK, host) for host in range(HOSTS)]
        self.seconds = _timed([threading.Thread(target=self._work, args=(server, token)) for _ in range(CONNECTIONS)])

    def _work(self, server: EndpointServer, token: str) -> None:
        connection = LockConnection(server, token)
        while (call := self._next()) is not None:
            operation, host = call
            if operation == _UNLOCK:
                with self._mutex:
                    self._held[group_of(host)] -= 1
            asked = time.monotonic()
            reply = connection.call(operation, host)
            self._answered(operation, host, asked, reply)
        connection.close()

    def _next(self) -> tuple[str, int] | None:
        with self._mutex:
            while self._left:
                wait = self._due[0][0] - time.monotonic() if self._due else 1.0
                if wait <= 0:
                    _, _, operation, host = heapq.heappop(self._due)
                    return operation, host
                self._mutex.wait(min(wait, 1.0))
            return None

    def _answered(self, operation: str, host: int, asked: float, reply: Reply) -> None:
        now = time.monotonic()
        with self._mutex:
            self.calls += 1
            first = self._first_asked.setdefault(host, asked)
            if operation == _UNLOCK:
                assert reply.status == _OK, reply
                self._left -= 1
                self._mutex.notify_all()
                return
            assert reply.status in {_OK, _LOCKED}, reply
            if reply.status == _OK:
                self.waits.append(now - first)
                self._held[group_of(host)] += 1
                self.most_held = max(self.most_held, self._held[group_of(host)])
            later = (now + REBOOT_S, _UNLOCK) if reply.status == _OK else (now + reply.retry_after_s, _LOCK)
            heapq.heappush(self._due, (later[0], next(self._number), later[1], host))
            self._mutex.notify()


@contextmanager
def _server() -> Iterator[EndpointServer]:
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name, cluster() as postgres:
        directory = Path(name)
        settings: dict[str, dict[str, object]] = {
            "server": {"workers": WORKERS},
            "locks": {"groups": {group_of(number): SLOTS for number in range(GROUPS)}},
        }
        server = EndpointServer(
            directory=directory, authority=Authority.make(directory / "ca"), database=postgres.url(), port=free_port(),
            settings=settings,
        )  # fmt: skip
        server.configure()
        server.start()
        try:
            yield server
        finally:
            server.stop()
