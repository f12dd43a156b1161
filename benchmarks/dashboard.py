"""Pages of 100,000 hosts, 25 updates pending on each, while 300 reports a second come in; also beside 5e725e98.

Queries go to a running server as an administrator's would, over TLS; reports come from another process, over kept
connections as from a proxy: a handshake for each would cost about as much processor time as a heartbeat.
"""

import gzip
import json
import math
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import psutil

from benchmarks import large_fleet
from benchmarks.figures import Aims
from benchmarks.reports import WORKERS, built_reports, measure
from endpoint.store.database import Database
from tests.support.authority import Authority
from tests.support.endpoint_server import CHECKOUT, EndpointServer, free_port
from tests.support.messages import Outbox
from tests.support.postgres import cluster

HOSTS = int(os.environ.get("MAESTRO_BENCH_HOSTS", "100000"))
BEFORE = "5e725e98"
"""The last revision whose lists parsed states."""
_ASK_S = 60
_SPARE_S = 20
"""Of reports: what comes before the first question, and after the last."""
_REPORTERS = 2000
"""Hosts whose reports come in."""
_PER_SECOND = 300
_CONNECTIONS = 16
_SMALL = 10_000
_INGEST_ROUNDS = 5
_REPORTS = 1000
_INGEST_HOSTS = 200
_PATHS = {
    "overview": ("/v1/overview",) * 3,
    "a filtered page of 200": (
        "/v1/hosts",
        "/v1/hosts?state=reboot-required",
        "/v1/hosts?state=pending&release=debian+12",
        "/v1/hosts?state=silent",
        "/v1/hosts?state=stale-lists&state=held",
        "/v1/hosts?q=web-0123",
        "/v1/hosts?group=db&sort=exposed",
        "/v1/hosts?sort=-pending",
        f"/v1/hosts?package={large_fleet.package(17)}",
        "/v1/hosts?package=rare-package",
    ),
    "CVE to hosts": tuple(
        f"/v1/fixes/{cve}" for cve in (large_fleet.EVERYWHERE, large_fleet.RARE, "CVE-2026-2017", "CVE-2026-3200")
    ),
}


def dashboard(aims: Aims) -> None:
    """Measure both databases, then this tree beside the one before."""
    for database in ("sqlite", "postgresql"):
        aims.where = f"dashboard, {database}"
        with _database(database) as (directory, url):
            _measure_large(directory, url, aims)
    aims.where = "dashboard"
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        before = _checkout(Path(name))
        if before is None:
            print(f"\nnothing beside: this checkout has no revision {BEFORE}")
            return
        _compare_fleet(Path(name), before, aims)
        _compare_ingest(before, aims)


@contextmanager
def _database(kind: str) -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        if kind == "sqlite":
            yield Path(name), f"sqlite:///{name}/endpoint.db"
        else:
            with cluster() as running:
                yield Path(name), running.create("endpoint")


@contextmanager
def _serving(directory: Path, url: str, tree: Path = CHECKOUT, workers: int = WORKERS) -> Iterator[EndpointServer]:
    settings: dict[str, dict[str, object]] = {"server": {"workers": workers}}
    directory.mkdir(exist_ok=True)
    server = EndpointServer(
        directory=directory, authority=Authority.make(directory / "ca"), database=url, port=free_port(),
        settings=settings, tree=tree,
    )  # fmt: skip
    server.configure()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _measure_large(directory: Path, url: str, aims: Aims) -> None:
    create(url)
    started = time.monotonic()
    boxes = large_fleet.fill(url, HOSTS)
    print(f"\n{HOSTS} hosts inserted in {time.monotonic() - started:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)
    with _serving(directory, url) as server:
        token, admin = server.token("--name", "load"), server.token("--admin", "--name", "bench")
        with _reporting(server, token, boxes[:: max(1, HOSTS // _REPORTERS)]) as sent:
            time.sleep(2)
            before, started, used = sent.value, time.monotonic(), _cpu_s(server)
            taken = _ask(server, admin)
            rate = (sent.value - before) / (time.monotonic() - started)
            used = _cpu_s(server) - used
        assert server.process is not None
        memory = max(child.memory_info().rss for child in psutil.Process(server.process.pid).children()) >> 20
    print(f"{rate:.0f} reports a second came in meanwhile; the workers used {used / _ASK_S:.2f} processors; load "
          f"{os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    aims.at_least("reports a second while asked", rate, _PER_SECOND * 0.95)
    for what, times in taken.items():
        aims.at_most(f"{what}: median", 1000 * median(times), 100, " ms")
        aims.at_most(f"{what}: p99", 1000 * sorted(times)[int(len(times) * 0.99)], 300, " ms")
    aims.at_most("memory of a worker", memory, 150, " MB")


def create(url: str) -> None:
    """Create the tables."""
    database = Database(url)
    database.create()
    database.close()


def _cpu_s(server: EndpointServer) -> float:
    assert server.process is not None
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process(server.process.pid).children())


def _ask(server: EndpointServer, token: str) -> dict[str, list[float]]:
    """Ask for every address in turn, for a minute; return the times by kind."""
    client = server.client(token)
    by_path: dict[str, list[float]] = {path: [] for paths in _PATHS.values() for path in paths}
    until = time.monotonic() + _ASK_S
    while time.monotonic() < until:
        for path in (path for paths in _PATHS.values() for path in paths):
            started = time.perf_counter()
            answer = client.get(path)
            by_path[path].append(time.perf_counter() - started)
            assert answer.status == 200, (path, answer.status, answer.body[:300])  # noqa: PLR2004 - HTTP
    for path, times in by_path.items():
        print(f"{median(times) * 1000:8.1f} ms, at most {max(times) * 1000:6.1f} ms  {path}", flush=True)
    return {what: [one for path in set(paths) for one in by_path[path]] for what, paths in _PATHS.items()}


@contextmanager
def _reporting(server: EndpointServer, token: str, boxes: Sequence[Outbox]) -> Iterator[Any]:
    """Send reports at a constant rate from another process until the block ends; yields how many were answered.

    All are built beforehand, enough until the block ends; one of three changes what lists show.
    """
    rounds = math.ceil((_ASK_S + _SPARE_S) * _PER_SECOND / len(boxes))
    built = [_request(token, box, number) for number in range(rounds) for box in boxes]
    context = multiprocessing.get_context("fork")
    sent = context.Value("l", 0)
    process = context.Process(target=_report, args=(server, built, sent), daemon=True)
    process.start()
    try:
        yield sent
    finally:
        process.terminate()
        process.join()


def _request(token: str, box: Outbox, number: int) -> bytes:
    body = gzip.compress(json.dumps(box.batch(large_fleet.state(box, time.time(), number // 3))).encode(), 1)
    return (
        f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _report(server: EndpointServer, built: list[bytes], sent: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in range(_CONNECTIONS):
        Thread(target=_report_steadily, args=(server, built[number::_CONNECTIONS], sent), daemon=True).start()
    time.sleep(3600)


def _report_steadily(server: EndpointServer, built: list[bytes], sent: Any) -> None:
    connection = server.client().connect()
    connection.connect()
    due = time.monotonic()
    for request in built:
        due += _CONNECTIONS / _PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        connection.sock.sendall(request)
        answer = b""
        while not (b"\r\n\r\n" in answer and answer.endswith(b"}")):
            answer += connection.sock.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        assert b'"refused"' not in answer, answer[:600]
        with sent.get_lock():
            sent.value += 1


def _checkout(directory: Path) -> Path | None:
    """Return the tree of the revision before, from git; None: this checkout does not have it."""
    if subprocess.run(["git", "cat-file", "-e", BEFORE], cwd=CHECKOUT, check=False).returncode:
        return None
    tree = directory / "before"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", BEFORE], cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    return tree


def _compare_fleet(directory: Path, before: Path, aims: Aims) -> None:
    """Hold the fleet's page against `/v1/fleet` of the tree before, turn by turn, on the same 10,000 hosts."""
    urls = [f"sqlite:///{directory}/fleet-{name}.db" for name in ("before", "now")]
    with _serving(directory / "b", urls[0], before) as old, _serving(directory / "n", urls[1]) as new:
        for url in urls:
            large_fleet.fill(url, _SMALL)
        asked = [(old, "/v1/fleet"), (new, "/v1/overview"), (new, "/v1/hosts?sort=exposed"), (new, "/v1/fleet")]
        tokens = {id(server): server.token("--admin", "--name", "bench") for server in (old, new)}
        clients = {id(server): server.client(tokens[id(server)]) for server in (old, new)}
        taken: list[list[float]] = [[] for _ in asked]
        for _ in range(_INGEST_ROUNDS):
            for (server, path), times in zip(asked, taken, strict=True):
                started = time.perf_counter()
                assert clients[id(server)].get(path).status == 200  # noqa: PLR2004 - HTTP
                times.append(time.perf_counter() - started)
    whole, overview, page, fleet = map(median, taken)
    print(f"\n{_SMALL} hosts: {BEFORE} /v1/fleet {whole * 1000:.0f} ms; overview {overview * 1000:.1f} ms, "
          f"page of 200 {page * 1000:.1f} ms, /v1/fleet {fleet * 1000:.0f} ms")  # fmt: skip
    aims.at_least(f"{BEFORE}'s fleet, as a multiple of the overview,", whole / overview, 100)
    aims.at_least(f"{BEFORE}'s fleet, as a multiple of a page of 200 by exposure,", whole / page, 100)


def _compare_ingest(before: Path, aims: Aims) -> None:
    """Send the same reports to both trees, round by round."""
    for kind in ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name, _two(kind, Path(name)) as urls:
            old, new = (_serving(Path(name) / one, url, tree) for one, url, tree in
                        (("b", urls[0], before), ("n", urls[1], CHECKOUT)))  # fmt: skip
            with old as first, new as second:
                _compare_rates(kind, (first, second), aims)


def _compare_rates(kind: str, servers: tuple[EndpointServer, EndpointServer], aims: Aims) -> None:
    rates, costs = [], []
    tokens = [server.token("--name", "load") for server in servers]
    boxes = [[Outbox() for _ in range(_INGEST_HOSTS)] for _ in servers]
    for _ in range(_INGEST_ROUNDS):
        old, new = (
            measure(server, built_reports(token, hosts, _REPORTS))
            for server, token, hosts in zip(servers, tokens, boxes, strict=True)
        )
        rates.append(new.per_second / old.per_second)
        costs.append(new.endpoint_cpu_s / old.endpoint_cpu_s)
        print(f"{kind}: {old.per_second:.0f}/s, then {new.per_second:.0f}/s; "
              f"processor time {old.endpoint_cpu_s:.2f} s, then {new.endpoint_cpu_s:.2f} s", flush=True)  # fmt: skip
    print(f"processor time of the endpoint, as a multiple: {median(costs):.2f}", flush=True)
    aims.at_least(f"reports a second on {kind}, as a multiple of {BEFORE}'s", median(rates), 0.9)


@contextmanager
def _two(kind: str, place: Path) -> Iterator[tuple[str, str]]:
    if kind == "sqlite":
        yield f"sqlite:///{place}/before.db", f"sqlite:///{place}/now.db"
        return
    with cluster() as running:
        yield running.create("before"), running.create("now")
