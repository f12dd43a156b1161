"""The HTTP server: gunicorn's threads, with TLS of our own making and an end to every request."""

import contextlib
import gc
import select
import socket
import ssl
import sys
import time
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import RequestParser
from gunicorn.http.errors import InvalidHeader
from gunicorn.workers.gthread import ThreadWorker

from endpoint import log
from endpoint.config import Config, database_url
from endpoint.http.api import make_app
from endpoint.http.retention_thread import RetentionThread
from endpoint.http.tls import BufferedTLSSocket, make_context
from endpoint.store.database import Database

_LINGER_S = 2.0
_LINGER_BYTES = 4 << 20
_STRANGERS_S = 10.0
_CROWDED_S = 3.0
"""How long whoever is not known yet may keep a thread while others wait for one."""
_GRACEFUL_S = 10
_PAUSE_MS = 10
_FOR_UPKEEP = 1
_COLLECT_AFTER = 50_000


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn carries no types
    """A worker whose threads nobody can keep: gunicorn itself would wait for a slow sender for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config: Config = self.app.config
        self._busy: dict[Any, float] = {}
        """When each request began."""
        self._limit_s = config.server.request_timeout_s
        self._context = make_context(config.tls) if config.tls.key else None

    def enqueue_req(self, conn: Any) -> None:
        """Begin TLS with the one context: gunicorn 20 would read all certificates anew for each connection."""
        try:
            if conn.parser is None and self._context is not None:
                conn.sock.setblocking(True)
                # The handshake is the thread's, for this one accepts everybody's connections.
                conn.sock = self._context.wrap_socket(conn.sock, server_side=True, do_handshake_on_connect=False)
                conn.parser = RequestParser(self.cfg, conn.sock, conn.client)
            super().enqueue_req(conn)
        except (OSError, ValueError):  # whoever called has gone again
            self.nr_conns -= 1
            conn.close()

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that follow at once: the way back through the poller costs as much as one."""
        answer = self._handle_one(conn)
        while answer[0] and self.alive:
            if len(self.futures) > self.cfg.threads:  # others wait; of what is read already the poller would not know
                return not _holds_more(conn), conn
            if not _has_more(conn):
                break
            answer = self._handle_one(conn)
        return answer

    def _handle_one(self, conn: Any) -> Any:
        """Answer one request, within its time."""
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
                    conn.sock.flush()  # gunicorn's own answer to what is no HTTP

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer, and close where the body was not read: gunicorn would read it all, however long it is."""
        _check_head(req)
        keep = super().handle_request(req, conn)
        if isinstance(conn.sock, BufferedTLSSocket):
            conn.sock.flush()
        unread = getattr(req.body.reader, "length", _LINGER_BYTES) - req.unreader.buf.tell()
        if unread > 0:
            _drain(conn.sock, unread)
            return False
        return keep

    def notify(self) -> None:
        """Tell the parent that this process lives, and cut whoever took too long; called each second."""
        super().notify()
        now, crowded = time.monotonic(), len(self.futures) > self.cfg.threads
        strangers_s = min(self._limit_s, _CROWDED_S if crowded else _STRANGERS_S)
        for conn, since in list(self._busy.items()):
            if now - since > (self._limit_s if getattr(conn.sock, "authenticated", True) else strangers_s):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's log, with a line instead of a traceback for every caller who hangs up."""

    def exception(self, msg: str, *args: Any, **_: Any) -> None:
        """Log one event."""
        log.event("connection.failed", detail=msg % args if args else msg, error=repr(sys.exc_info()[1]))

    def warning(self, msg: str, *args: Any, **_: Any) -> None:
        """Log one event: what is quoted of a request in it writes no lines of its own."""
        log.event("server.troubled", detail=msg % args if args else msg)

    error = critical = warning


class Application(BaseApplication):  # type: ignore[misc]
    """Tells gunicorn what to serve, and how."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        server = self.config.server
        settings = {
            "bind": server.listen,
            "workers": server.workers,
            "threads": server.threads,
            "worker_class": "endpoint.http.server.Worker",
            "worker_connections": server.connections,
            "keepalive": server.keep_alive_s,
            "graceful_timeout": _GRACEFUL_S,
            "logger_class": GunicornLogger,
            "loglevel": "warning",
            "proc_name": "maestro-endpoint",
            # A file whose time gunicorn sets once a second: no disk should have to do with it.
            "worker_tmp_dir": "/dev/shm",  # noqa: S108 - the file's name is random
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application, in each worker for itself: connections do not survive a fork."""
        log.set_up()
        database = Database(database_url(self.config), connections=self.config.server.threads + _FOR_UPKEEP)
        app = make_app(self.config, database)
        RetentionThread(self.config, database).start()
        # All that is there now stays: the collector need not look at it again and again. And one report alone makes
        # hundreds of dictionaries, none of them in a circle.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        return app


def serve(config: Config) -> None:
    """Serve until asked to stop.

    Raises:
        ConfigError: the certificates or the database cannot be used.
        StoreError: the database does not answer.
    """
    log.set_up()
    if config.tls.key:
        make_context(config.tls)
    database = Database(database_url(config))
    database.create()
    database.close()
    Application(config).run()


def _check_head(req: Any) -> None:
    """Refuse, with the connection, a head that a proxy and gunicorn could read in two ways; older ones let some pass.

    Raises:
        InvalidHeader: gunicorn's own, which it answers with 400.
    """
    for name, value in req.headers:
        odd_length = name == "CONTENT-LENGTH" and not (value.isascii() and value.isdigit())
        odd_coding = name == "TRANSFER-ENCODING" and value.lower() != "chunked"
        if odd_length or odd_coding or "_" in name:  # SCRIPT_NAME would even move all addresses
            raise InvalidHeader(name)


def _has_more(conn: Any) -> bool:
    """Whether a connection's next request begins within some milliseconds."""
    if _holds_more(conn):
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(_PAUSE_MS))


def _holds_more(conn: Any) -> bool:
    """Whether a connection's next request came together with the one before."""
    return conn.parser.unreader.buf.tell() > 0 or (isinstance(conn.sock, ssl.SSLSocket) and conn.sock.pending() > 0)


def _drain(connection: Any, left: int) -> None:
    """Take some more of what is still coming: to close at once would destroy the answer on its way."""
    until, left = time.monotonic() + _LINGER_S, min(left, _LINGER_BYTES)
    with contextlib.suppress(OSError, ValueError):
        while left > 0 and (rest := until - time.monotonic()) > 0:
            connection.settimeout(rest)
            data = connection.recv(65536)
            if not data:
                break
            left -= len(data)
