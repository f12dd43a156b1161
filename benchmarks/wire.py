"""What a host's day costs on the wire: heartbeats each five minutes, four looks, one run; over TLS to a real centre.

Counted between the two, at each layer: the messages as they are sent (compressed), with the heads of HTTP, with TLS and
its handshakes, and with the headers of TCP and IP.
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
from tests.core.given import NO_CENTRE
from tests.support.authority import Authority
from tests.support.endpoint_server import Centre, free_port
from tests.support.fault_proxy import private_file

BEATS = 288
LOOKS = 4
RUN_AT = 48
_AIM_KB = 16
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_TCP_INFO = struct.Struct("120x Q Q I I")
"""tcpi_bytes_acked, tcpi_bytes_received, tcpi_segs_out, tcpi_segs_in (tcp(7), linux/tcp.h)."""
_HEADERS_BYTES = 20 + 32
"""Of IPv4, and of TCP with time stamps."""


@dataclass(kw_only=True)
class Counter:
    """Hands requests on from the agent to the centre, and counts what passes."""

    authority: Authority
    centre_port: int
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
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._serve, args=(listener, served), daemon=True)
            thread.start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _serve(self, listener: socket.socket, served: ssl.SSLContext) -> None:
        trusting = ssl.create_default_context(cafile=str(self.authority.file))
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                self.idle.clear()
                there = trusting.wrap_socket(
                    socket.create_connection(("127.0.0.1", self.centre_port)), server_hostname="localhost"
                )
                with served.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as here, there:
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
    """Live one day of a host, in a minute."""
    aims.where = "wire"
    with tempfile.TemporaryDirectory(prefix="maestro-bench-") as name:
        counter = _day(Path(name))
    on_tcp = counter.tls + counter.packets * _HEADERS_BYTES
    print(f"\na host's day: {BEATS} heartbeats, {LOOKS} looks, one run; {counter.requests} requests")
    for words, size in (
        ("messages, as they are sent", counter.bodies),
        ("with the heads of HTTP", counter.bodies + counter.heads),
        ("with TLS, a handshake for each", counter.tls),
        ("with the headers of TCP and IP", on_tcp),
    ):
        print(f"{size / 1000:9.1f} KB  {words}", flush=True)
    aims.at_most("a host's day in messages", counter.bodies / 1000, _AIM_KB, " KB")


def _day(directory: Path) -> Counter:
    authority = Authority.make(directory / "ca")
    centre = Centre(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port()
    )
    centre.configure()
    centre.start()
    try:
        token = private_file(directory / "token", f"{centre.token('--name', 'wire')}\n")
        counter = Counter(authority=authority, centre_port=centre.port)
        with counter.listening() as port:
            policy = replace(
                NO_CENTRE, url=f"https://127.0.0.1:{port}", token_file=str(token), ca_file=str(authority.file)
            )
            (directory / "run").mkdir()
            store = Store(str(directory / "state"))
            exporter = EndpointExporter(policy)
            run = ExporterRun(ExporterName.ENDPOINT, exporter, store, str(directory / "run"))
            _live(store, run, counter)
            return counter
    finally:
        centre.stop()


def _live(store: Store, run: ExporterRun, counter: Counter) -> None:
    """Tell each five minutes; what a new outbox has to say first is not of an ordinary day, and not counted."""
    midnight = datetime.now(timezone.utc).replace(microsecond=0)
    _look(store, midnight - timedelta(hours=6), patched=False)
    _export(run, counter)
    counter.requests = counter.bodies = counter.heads = counter.tls = counter.packets = 0
    for beat in range(BEATS):
        now = midnight + beat * timedelta(minutes=5)
        if beat % (BEATS // LOOKS) == 0:
            _look(store, now, patched=beat > RUN_AT)
        if beat == RUN_AT:
            outcome = _golden("outcome")
            store.write_run(outcome["id"], outcome)
            _look(store, now, patched=True)
        _export(run, counter)


def _export(run: ExporterRun, counter: Counter) -> None:
    result = run.run(NO_CENTRE.timeout)
    assert not result.why, result.why
    assert counter.idle.wait(10)


def _look(store: Store, now: datetime, *, patched: bool) -> None:
    """Record a look: what waits, what is held, and when the lists were read."""
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
