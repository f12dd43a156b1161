"""A fake OpenTelemetry collector: TLS, the two addresses, and the rules of OTLP/HTTP.

It answers as a test configures it, byte for byte if needed, and records violations of the rules.
"""

import contextlib
import gzip
import http.server
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.authority import Authority
from tests.support.otlp_rules import faults

_SIGNALS = {"/v1/logs": "logs", "/v1/metrics": "metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The response to send."""

    status: int = 200
    body: bytes = b'{"partialSuccess":{}}'
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    raw: bytes | None = None
    """If set: only these bytes, then the connection is closed."""
    drip_s: float = 0
    """Delay between two raw bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A received request."""

    signal: str
    headers: dict[str, str]
    document: Any


@dataclass(kw_only=True)
class OtelCollector:
    """A running collector."""

    url: str = ""
    ca_file: Path = Path()
    reply: Reply = field(default_factory=Reply)
    taken: list[Taken] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Violations of the rules."""
    paths: list[str] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, collector: OtelCollector) -> None:
        self._collector = collector
        super().__init__(*args)

    def do_GET(self) -> None:
        self._collector.paths.append(self.path)
        self._collector.wrong.append(f"GET {self.path}")
        self.send_error(405)

    def do_POST(self) -> None:
        self._collector.paths.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._check(body)
        reply = self._collector.reply
        if reply.raw is not None:
            self._send_raw(reply.raw, reply.drip_s)
            return
        self.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _send_raw(self, content: bytes, drip_s: float) -> None:
        self.close_connection = True
        if not drip_s:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(drip_s)

    def _check(self, body: bytes) -> None:
        collector, signal = self._collector, _SIGNALS.get(self.path, "")
        headers = {name.lower(): value for name, value in self.headers.items()}
        wanted = {"content-type": "application/json", "content-encoding": "gzip"}
        collector.wrong += [f"{name}: {headers.get(name)}" for name in wanted if headers.get(name) != wanted[name]]
        if len(headers) < len(self.headers):
            collector.wrong.append("a header is there twice")
        if not signal:
            collector.wrong.append(f"nothing is at {self.path}")
            return
        content = gzip.decompress(body)
        collector.wrong += faults(signal, content)
        collector.taken.append(Taken(signal=signal, headers=headers, document=json.loads(content)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Log nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, collector: OtelCollector, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, collector=collector))
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)
            with contextlib.suppress(OSError):
                secured.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect or reject the certificate."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextlib.contextmanager
def collecting(authority: Authority, *, name: str = "collector", **signing: Any) -> Iterator[OtelCollector]:
    """Run a collector on the loopback address for the length of the block, with a certificate of the authority."""
    certificate = authority.sign(name, **signing)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    collector = OtelCollector(ca_file=authority.file)
    server = _Server(collector, context)
    collector.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
