"""gunicorn's threaded worker, made safe to face agents without a proxy: own TLS and a deadline for every request.

Stock gthread lets a slow client hold a thread indefinitely, and 20.1 loads the certificates for each connection. Fleets
run stock gunicorn behind nginx instead (docs/adr/0011); this file serves the single-machine default.

It depends on names that gunicorn does not document. All of them in one place, seen in 20.1.0 (Debian 12) and 23.0.0
(Debian 13):

- `ThreadWorker.enqueue_req(conn)`, `.handle(conn)` -> (keep alive, conn), `.handle_request(req, conn)` ->
  keep alive; `.nr_conns`, `.futures` (one per request that is queued or running), `.alive`, `.cfg`, `.app`
- `TConn.sock`, `.parser` (None until the first request; set here, so that gunicorn adds no TLS), `.client`, `.close()`
- `RequestParser(cfg, sock, client)` and `.unreader.buf.tell()`: bytes read from the socket and not parsed yet
- `Request.unreader`, `.body.reader.length`: bytes of the body that were not read
- `Worker.notify()`: called about once a second
- a response is written as `sock.sendall(head)`, then `sock.sendall(body)` (`tls.BufferedTLSSocket`)

benoitc/gunicorn PR 3157 would remove `futures`; the tests of slow clients in tests/endpoint/test_server.py then fail.
"""

import contextlib
import select
import socket
import ssl
import time
from typing import Any

from gunicorn.http import RequestParser
from gunicorn.workers.gthread import ThreadWorker

from endpoint.config.model import Config
from endpoint.http.tls import BufferedTLSSocket, make_context

_LINGER_S = 2.0
_LINGER_BYTES = 4 << 20
_UNAUTHENTICATED_S = 10.0
_CROWDED_S = 3.0
"""How long an unauthenticated client may hold a thread while others wait for one."""
_PAUSE_MS = 10


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn carries no types
    """gthread worker with request deadlines; stock gunicorn lets a slow client hold a thread indefinitely."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config: Config = self.app.config
        self._busy: dict[Any, float] = {}
        """When each request started."""
        self._limit_s = config.server.request_timeout_s
        self._context = make_context(config.tls) if config.tls.key else None

    def enqueue_req(self, conn: Any) -> None:
        """Start TLS with one shared context: gunicorn 20 would load the certificates for each connection."""
        try:
            if conn.parser is None and self._context is not None:
                conn.sock.setblocking(True)
                # A request thread does the handshake: this one accepts all connections.
                conn.sock = self._context.wrap_socket(conn.sock, server_side=True, do_handshake_on_connect=False)
                conn.parser = RequestParser(self.cfg, conn.sock, conn.client)
            super().enqueue_req(conn)
        except (OSError, ValueError):  # the client has disconnected
            self.nr_conns -= 1
            conn.close()

    def handle(self, conn: Any) -> Any:
        """Answer a request and those that follow immediately: the poller costs as much as a request."""
        answer = self._handle_one(conn)
        while answer[0] and self.alive:
            if len(self.futures) > self.cfg.threads:  # others wait; but the poller cannot see buffered data
                return not _holds_more(conn), conn
            if not _has_more(conn):
                break
            answer = self._handle_one(conn)
        return answer

    def _handle_one(self, conn: Any) -> Any:
        """Answer one request within its deadline."""
        self._busy[conn] = time.monotonic()
        if isinstance(conn.sock, BufferedTLSSocket):
            conn.sock.authenticated = False
        try:
            conn.sock.settimeout(self._limit_s)
            return super().handle(conn)
        finally:
            self._busy.pop(conn, None)
            if isinstance(conn.sock, BufferedTLSSocket):
                with contextlib.suppress(OSError, ValueError):
                    conn.sock.flush()  # gunicorn's own response to malformed HTTP

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer, and close if the body was not read: gunicorn would read all of it, whatever its length."""
        keep = super().handle_request(req, conn)
        if isinstance(conn.sock, BufferedTLSSocket):
            conn.sock.flush()
        unread = getattr(req.body.reader, "length", _LINGER_BYTES) - req.unreader.buf.tell()
        if unread > 0:
            _drain(conn.sock, unread)
            return False
        return keep

    def notify(self) -> None:
        """Send the parent its keep-alive, and shut down connections past their deadline; called each second."""
        super().notify()
        now, crowded = time.monotonic(), len(self.futures) > self.cfg.threads
        unauthenticated_s = min(self._limit_s, _CROWDED_S if crowded else _UNAUTHENTICATED_S)
        for conn, since in list(self._busy.items()):
            if now - since > (self._limit_s if getattr(conn.sock, "authenticated", True) else unauthenticated_s):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)


def _has_more(conn: Any) -> bool:
    """Whether the next request on a connection starts within 10 ms."""
    if _holds_more(conn):
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(_PAUSE_MS))


def _holds_more(conn: Any) -> bool:
    """Whether the next request was received together with the previous one."""
    return conn.parser.unreader.buf.tell() > 0 or (isinstance(conn.sock, ssl.SSLSocket) and conn.sock.pending() > 0)


def _drain(connection: Any, left: int) -> None:
    """Read up to 4 MiB or 2 s of what still arrives: closing at once would reset the connection and lose the answer."""
    until, left = time.monotonic() + _LINGER_S, min(left, _LINGER_BYTES)
    with contextlib.suppress(OSError, ValueError):
        while left > 0 and (rest := until - time.monotonic()) > 0:
            connection.settimeout(rest)
            data = connection.recv(65536)
            if not data:
                break
            left -= len(data)
