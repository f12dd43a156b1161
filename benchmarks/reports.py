"""Reports and heartbeats per second that the endpoint accepts over TLS, with the load generator on the same machine."""

import gzip
import json
import ssl
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figures import Aims
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.messages import Outbox
from tests.support.postgres import cluster

HOSTS = 500
REPORTS = 4000
HEARTBEATS = 8000
CONNECTIONS = 16
"""As many as the workers have threads: in a fleet some request is always queued."""
WORKERS = 2
_AIM = 500
_EMPTY_RESPONSE = b"HTTP/1.1 204 "


@dataclass(frozen=True, kw_only=True)
class Load:
    """The result of one round."""

    per_second: float
    latencies_s: tuple[float, ...]
    sender_cpu_s: float
    """Of the load generator."""
    endpoint_cpu_s: float
    """Of the endpoint's processes, without PostgreSQL's."""


def endpoint(aims: Aims) -> None:
    """Measure both databases."""
    aims.where = "endpoint"
    for database in ("sqlite", "postgresql"):
        with endpoint_server(database) as server:
            token, hosts = server.token("--name", "load"), [Outbox() for _ in range(HOSTS)]
            load = measure(server, built_reports(token, hosts, REPORTS))
            beats = measure(server, _heartbeats(token, hosts, HEARTBEATS))
        _print_load(database, "report", load)
        _print_load(database, "heartbeat", beats)
        aims.at_least(f"reports a second on {database}", load.per_second, _AIM)
        aims.at_least(f"heartbeats a second on {database}", beats.per_second, _AIM)


def _print_load(database: str, what: str, load: Load) -> None:
    ordered = sorted(load.latencies_s)
    count = len(ordered)
    print(f"\n{database}: {count} {what}s of {HOSTS} hosts over {CONNECTIONS} connections")
    ours, sender = (1000 * seconds / count for seconds in (load.endpoint_cpu_s, load.sender_cpu_s))
    print(f"processor time for one {what}: endpoint {ours:.2f} ms, load generator {sender:.2f} ms")
    print(f"{load.per_second:.0f}/s, median {median(ordered) * 1000:.1f} ms, p99 "
          f"{ordered[int(count * 0.99)] * 1000:.1f} ms", flush=True)  # fmt: skip


def measure(server: EndpointServer, built: Iterable[bytes]) -> Load:
    """Send the next request on each connection as soon as the previous is answered; all must be accepted."""
    requests = deque(built)
    count = len(requests)
    taken: list[float] = []
    threads = [threading.Thread(target=_post, args=(server, requests, taken)) for _ in range(CONNECTIONS)]
    started, cpu, endpoint_cpu = time.perf_counter(), time.process_time(), _cpu_s(server)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, cpu, endpoint_cpu = time.perf_counter() - started, time.process_time() - cpu, _cpu_s(server) - endpoint_cpu
    assert len(taken) == count, f"only {len(taken)} of {count} requests were accepted"
    return Load(per_second=count / seconds, latencies_s=tuple(taken), sender_cpu_s=cpu, endpoint_cpu_s=endpoint_cpu)


def _cpu_s(server: EndpointServer) -> float:
    assert server.process is not None
    processes = psutil.Process(server.process.pid).children()
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def built_reports(token: str, hosts: list[Outbox], count: int, more: str = "") -> Iterator[bytes]:
    """Build all requests beforehand, so that the load generator costs little during the measurement.

    `more` are header lines.
    """
    for number in range(count):
        host = hosts[number % len(hosts)]
        body = gzip.compress(json.dumps(host.batch(host.state(f"{number:016x}"))).encode(), 1)
        yield (
            f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Encoding: gzip\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _heartbeats(token: str, hosts: list[Outbox], count: int) -> Iterator[bytes]:
    """Build single heartbeats, each with the hash of its host's last state, so that the responses are empty."""
    for number in range(count):
        host = hosts[number % len(hosts)]
        host.others += 1
        body = json.dumps({"hash": f"{REPORTS - HOSTS + number % HOSTS:016x}"}).encode()
        yield (
            f"PUT /v1/hosts/{host.host}/instances/{host.instance}/heartbeats/{host.others} HTTP/1.1\r\n"
            f"Host: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _post(server: EndpointServer, requests: deque[bytes], taken: list[float]) -> None:
    connection = server.client().connect()
    connection.connect()
    stream = connection.sock
    assert isinstance(stream, ssl.SSLSocket)
    while requests:
        try:
            request = requests.popleft()
        except IndexError:
            break  # another connection took the last one
        before = time.perf_counter()
        stream.sendall(request)
        answer = b""
        while not (b"\r\n\r\n" in answer and (answer.startswith(_EMPTY_RESPONSE) or answer.endswith(b"}"))):
            more = stream.recv(65536)
            if not more:
                return
            answer += more
        if answer.startswith(_EMPTY_RESPONSE) or (b'"accepted"' in answer and b'"resend_state":false' in answer):
            taken.append(time.perf_counter() - before)
    stream.close()


@contextmanager
def endpoint_server(database: str) -> Iterator[EndpointServer]:
    """Run an endpoint on a kind of database until the block ends."""
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        directory = Path(name)
        authority = Authority.make(directory / "ca")
        if database == "sqlite":
            with _running(directory, authority, f"sqlite:///{directory}/endpoint.db") as server:
                yield server
        else:
            with cluster() as postgres, _running(directory, authority, postgres.url()) as server:
                yield server


@contextmanager
def _running(directory: Path, authority: Authority, url: str) -> Iterator[EndpointServer]:
    settings: dict[str, dict[str, object]] = {"server": {"workers": WORKERS}}
    server = EndpointServer(directory=directory, authority=authority, database=url, port=free_port(), settings=settings)
    server.configure()
    server.start()
    try:
        yield server
    finally:
        server.stop()
