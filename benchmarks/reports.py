"""How many reports and heartbeats a second the endpoint takes over TLS; the load generator runs on the same machine."""

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
from tests.support.endpoint_server import Centre, free_port
from tests.support.messages import Outbox
from tests.support.postgres import cluster

HOSTS = 500
REPORTS = 4000
HEARTBEATS = 8000
CONNECTIONS = 16
"""As many as the workers have threads: a fleet has always somebody who waits, at each of them."""
WORKERS = 2
_AIM = 500
_NOTHING_TO_SAY = b"HTTP/1.1 204 "


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one round came to."""

    per_second: float
    latencies_s: tuple[float, ...]
    sender_cpu_s: float
    """Of the load generator."""
    centre_cpu_s: float
    """Of the endpoint's processes; the database's own, where it has any, are not among them."""


def endpoint(aims: Aims) -> None:
    """Measure both databases."""
    aims.where = "endpoint"
    for database in ("sqlite", "postgresql"):
        with _centre(database) as centre:
            token, hosts = centre.token("--name", "load"), [Outbox() for _ in range(HOSTS)]
            load = measure(centre, _reports(token, hosts, REPORTS))
            beats = measure(centre, _heartbeats(token, hosts, HEARTBEATS))
        _tell(database, "report", load)
        _tell(database, "heartbeat", beats)
        aims.at_least(f"reports a second on {database}", load.per_second, _AIM)
        aims.at_least(f"heartbeats a second on {database}", beats.per_second, _AIM)


def _tell(database: str, what: str, load: Load) -> None:
    ordered = sorted(load.latencies_s)
    count = len(ordered)
    print(f"\n{database}: {count} {what}s of {HOSTS} hosts over {CONNECTIONS} connections")
    ours, sender = (1000 * seconds / count for seconds in (load.centre_cpu_s, load.sender_cpu_s))
    print(f"processor time for one {what}: endpoint {ours:.2f} ms, load generator {sender:.2f} ms")
    print(f"{load.per_second:.0f}/s, median {median(ordered) * 1000:.1f} ms, p99 "
          f"{ordered[int(count * 0.99)] * 1000:.1f} ms", flush=True)  # fmt: skip


def measure(centre: Centre, written: Iterable[bytes]) -> Load:
    """Send requests as fast as answers come, one by one on each connection; every one must be accepted."""
    requests = deque(written)
    count = len(requests)
    taken: list[float] = []
    threads = [threading.Thread(target=_post, args=(centre, requests, taken)) for _ in range(CONNECTIONS)]
    started, cpu, centre_cpu = time.perf_counter(), time.process_time(), _cpu_s(centre)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, cpu, centre_cpu = time.perf_counter() - started, time.process_time() - cpu, _cpu_s(centre) - centre_cpu
    assert len(taken) == count, f"only {len(taken)} of {count} requests were accepted"
    return Load(per_second=count / seconds, latencies_s=tuple(taken), sender_cpu_s=cpu, centre_cpu_s=centre_cpu)


def _cpu_s(centre: Centre) -> float:
    assert centre.process is not None
    processes = psutil.Process(centre.process.pid).children()
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _reports(token: str, hosts: list[Outbox], count: int) -> Iterator[bytes]:
    """Write all requests beforehand: the load generator is to cost little while the clock runs."""
    for number in range(count):
        host = hosts[number % len(hosts)]
        body = gzip.compress(json.dumps(host.batch(host.state(f"{number:016x}"))).encode(), 1)
        yield (
            f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _heartbeats(token: str, hosts: list[Outbox], count: int) -> Iterator[bytes]:
    """Write heartbeats on their own, each with the hash of its host's last state, so that nothing is to be said."""
    for number in range(count):
        host = hosts[number % len(hosts)]
        host.others += 1
        body = json.dumps({"hash": f"{REPORTS - HOSTS + number % HOSTS:016x}"}).encode()
        yield (
            f"PUT /v1/hosts/{host.host}/instances/{host.instance}/heartbeats/{host.others} HTTP/1.1\r\n"
            f"Host: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _post(centre: Centre, requests: deque[bytes], taken: list[float]) -> None:
    connection = centre.client().connect()
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
        while not (b"\r\n\r\n" in answer and (answer.startswith(_NOTHING_TO_SAY) or answer.endswith(b"}"))):
            more = stream.recv(65536)
            if not more:
                return
            answer += more
        if answer.startswith(_NOTHING_TO_SAY) or (b'"accepted"' in answer and b'"resend_state":false' in answer):
            taken.append(time.perf_counter() - before)
    stream.close()


@contextmanager
def _centre(database: str) -> Iterator[Centre]:
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        directory = Path(name)
        authority = Authority.make(directory / "ca")
        if database == "sqlite":
            with _running(directory, authority, f"sqlite:///{directory}/endpoint.db") as centre:
                yield centre
        else:
            with cluster() as postgres, _running(directory, authority, postgres.url()) as centre:
                yield centre


@contextmanager
def _running(directory: Path, authority: Authority, url: str) -> Iterator[Centre]:
    settings: dict[str, dict[str, object]] = {"server": {"workers": WORKERS}}
    centre = Centre(directory=directory, authority=authority, database=url, port=free_port(), settings=settings)
    centre.configure()
    centre.start()
    try:
        yield centre
    finally:
        centre.stop()
