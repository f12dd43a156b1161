"""The cost of a host's day on the wire: heartbeats every five minutes, four checks, one run; over TLS.

Counted between the two, at each layer: the messages as sent (compressed), with HTTP headers, with TLS and
its handshakes, and with TCP and IP headers.
"""

import copy
import json
import re
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from agent.core.exporters import ExporterName
from agent.report.endpoint.exporter import EndpointExporter
from agent.report.runner import ExporterRun
from agent.state.store import STATE, Store
from agent.state.timestamps import format_utc
from benchmarks.figures import Aims
from tests.core.given import NO_ENDPOINT
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.fault_proxy import private_file

HEARTBEATS = 288
CHECKS = 4
RUN_AT = 48
_AIM_KB = 16
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TCP_INFO = struct.Struct("120x Q Q I I")
"""tcpi_bytes_acked, tcpi_bytes_received, tcpi_segs_out, tcpi_segs_in (tcp(7), linux/tcp.h)."""
_HEADERS_BYTES = 20 + 32
"""IPv4, and TCP with timestamps."""


@dataclass(kw_only=True)
class Counter:
    """Forwards requests from the agent to the endpoint, and counts bytes."""

    authority: Authority
    endpoint_port: int
    requests: int = 0
    bodies: int = 0
    heads: int = 0
    tls: int = 0
    packets: int = 0
    idle: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Serve until the block ends; yields the port."""
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self.authority.sign("localhost-counted")
        served.load_cert_chain(certificate.file, certificate.key)
        with socket.create_server(("127.0.0.1", 0)) as server_socket:
            thread = threading.Thread(target=self._serve, args=(server_socket, served), daemon=True)
            thread.start()
            yield server_socket.getsockname()[1]
            server_socket.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _serve(self, server_socket: socket.socket, served: ssl.SSLContext) -> None:
        trusting = ssl.create_default_context(cafile=str(self.authority.file))
        while True:
            try:
                plain, _ = server_socket.accept()
            except OSError:
                return  # it was shut down
            self.idle.clear()
            there = trusting.wrap_socket(
                socket.create_connection(("127.0.0.1", self.endpoint_port)), server_hostname="localhost"
            )
            with served.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as here, there:
                with suppress(OSError):  # a client may close the connection without TLS's own end
                    self._exchanges(here, there)
                self._count_packets(here)
            self.idle.set()

    def _exchanges(self, here: ssl.SSLSocket, there: ssl.SSLSocket) -> None:
        here.do_handshake()
        while request := self._pass_on(here, there):
            self.requests += len(request) > 0
            self._pass_on(there, here)

    def _pass_on(self, source: ssl.SSLSocket, target: ssl.SSLSocket) -> bytes:
        found = b""
        while b"\r\n\r\n" not in found:
            more = source.recv(65536)
            if not more:
                return b""
            found += more
        head, _, _ = found.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        whole = len(head) + 4 + (int(length[1]) if length else 0)
        while len(found) < whole:
            found += source.recv(65536)
        target.sendall(found)
        self.heads += len(head) + 4
        self.bodies += whole - len(head) - 4
        return found

    def _count_packets(self, here: ssl.SSLSocket) -> None:
        info = here.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        sent, received, packets_out, packets_in = _TCP_INFO.unpack(info)
        self.tls += sent + received
        self.packets += packets_out + packets_in


def wire(aims: Aims) -> None:
    """Simulate a host's day in a minute."""
    aims.where = "wire"
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        counter = _day(Path(name))
    on_tcp = counter.tls + counter.packets * _HEADERS_BYTES
    print(f"\na host's day: {HEARTBEATS} heartbeats, {CHECKS} checks, one run; {counter.requests} requests")
    for words, size in (
        ("messages as sent", counter.bodies),
        ("with HTTP headers", counter.bodies + counter.heads),
        ("with TLS, a handshake for each", counter.tls),
        ("with TCP and IP headers", on_tcp),
    ):
        print(f"{size / 1000:9.1f} KB  {words}", flush=True)
    aims.at_most("a host's day in messages", counter.bodies / 1000, _AIM_KB, " KB")


def _day(directory: Path) -> Counter:
    authority = Authority.make(directory / "ca")
    endpoint = EndpointServer(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port()
    )
    endpoint.configure()
    endpoint.start()
    try:
        token = private_file(directory / "token", f"{endpoint.token('--name', 'wire')}\n")
        counter = Counter(authority=authority, endpoint_port=endpoint.port)
        with counter.listening() as port:
            policy = replace(
                NO_ENDPOINT, url=f"https://127.0.0.1:{port}", token_file=str(token), ca_file=str(authority.file)
            )
            (directory / "run").mkdir()
            store = Store(str(directory / "state"))
            exporter = EndpointExporter(policy)
            run = ExporterRun(ExporterName.ENDPOINT, exporter, store, str(directory / "run"))
            _live(store, run, counter)
            return counter
    finally:
        endpoint.stop()


def _live(store: Store, run: ExporterRun, counter: Counter) -> None:
    """Send every five minutes. A new outbox's first report is not part of an ordinary day and not counted."""
    midnight = datetime.now(timezone.utc).replace(microsecond=0)
    _record_check(store, midnight - timedelta(hours=6), patched=False)
    _export(run, counter)
    counter.requests = counter.bodies = counter.heads = counter.tls = counter.packets = 0
    for number in range(HEARTBEATS):
        now = midnight + number * timedelta(minutes=5)
        if number % (HEARTBEATS // CHECKS) == 0:
            _record_check(store, now, patched=number > RUN_AT)
        if number == RUN_AT:
            outcome = _golden("outcome")
            store.write_run(outcome["id"], outcome)
            _record_check(store, now, patched=True)
        _export(run, counter)


def _export(run: ExporterRun, counter: Counter) -> None:
    result = run.run(NO_ENDPOINT.timeout)
    assert not result.why, result.why
    assert counter.idle.wait(10)


def _record_check(store: Store, now: datetime, *, patched: bool) -> None:
    """Record a check: pending updates, held packages, and when the package lists were refreshed."""
    plan = copy.deepcopy(_golden("plan"))
    plan["lists"] = {"state": "fresh", "updated_at": format_utc(now), "errors": []}
    plan["seen_at"] = plan["generated_at"] = format_utc(now)
    plan["install"] = [] if patched else plan["install"]
    fresh_until = format_utc(now + timedelta(hours=36))
    store.write(
        STATE, {"schema": "maestro.state/1", "generated_at": format_utc(now), "fresh_until": fresh_until, "plan": plan}
    )


def _golden(name: str) -> Any:
    return json.loads((Path(__file__).parent.parent / f"tests/golden/{name}.json").read_text())
