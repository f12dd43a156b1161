"""The HTTP server: gunicorn, either with its own TLS, or on a unix socket behind a proxy."""

import ctypes
import gc
import sys
from contextlib import suppress
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import InvalidHeader

from endpoint import log
from endpoint.config.model import Config
from endpoint.config.read import database_url
from endpoint.http.api import make_app
from endpoint.http.retention_thread import RetentionThread
from endpoint.http.tls import make_context
from endpoint.notify.sender import NotificationSender
from endpoint.store.database import Database

_GRACEFUL_S = 10
_FOR_THREADS = 2
"""The one that deletes old data, and the one that sends notifications."""
_COLLECT_AFTER = 50_000
_STOCK_WORKER, _WORKER = "gthread", "endpoint.http.gunicorn_worker.Worker"


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's log as events; one line instead of a traceback when a client disconnects."""

    def exception(self, msg: str, *args: Any, **_: Any) -> None:
        """Log one event."""
        log.event("connection.failed", detail=msg % args if args else msg, error=repr(sys.exc_info()[1]))

    def warning(self, msg: str, *args: Any, exc_info: bool = False, **_: Any) -> None:
        """Log one event; quoted parts of a request cannot start a new line."""
        detail, error = msg % args if args else msg, sys.exc_info()[1]
        if exc_info and error is not None:
            log.exception("server.failed", error, detail=detail)
        else:
            log.event("server.troubled", detail=detail)

    def info(self, msg: str, *args: Any, exc_info: bool = False, **_: Any) -> None:
        """Log an exception that ends the server, which gunicorn 20 logs as information; nothing else."""
        if exc_info:
            self.warning(msg, *args, exc_info=True)

    error = critical = warning


class Application(BaseApplication):  # type: ignore[misc]
    """What gunicorn serves, and its settings."""

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults; behind a proxy its stock worker does."""
        server = self.config.server
        settings = {
            "bind": server.listen,
            "workers": server.workers,
            "threads": server.threads,
            "worker_class": _STOCK_WORKER if self.config.behind_proxy else _WORKER,
            "worker_connections": server.connections,
            "keepalive": server.keep_alive_s,
            "graceful_timeout": _GRACEFUL_S,
            "logger_class": GunicornLogger,
            "pre_request": check_head,
            "loglevel": "warning",
            "limit_request_line": 8190,  # the most that it can be: a selection of hosts is part of an address
            "proc_name": "maestro-endpoint",
            # gunicorn touches a file there once a second: keep it off the disk.
            "worker_tmp_dir": "/dev/shm",  # noqa: S108 - the file's name is random
        }
        if "header_map" in self.cfg.settings:
            # From 22 on gunicorn drops headers with an underscore in silence, before `check_head` can refuse them.
            settings["header_map"] = "refuse"
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the application in each worker: database connections do not survive a fork."""
        log.set_up()
        database = Database(database_url(self.config), connections=self.config.server.threads + _FOR_THREADS)
        app = make_app(self.config, database)
        RetentionThread(self.config, database).start()
        NotificationSender(self.config, database).start()
        # Everything loaded so far is permanent: keep it out of the collector. One report alone creates hundreds of
        # dictionaries, none of them in a cycle, so that collections can be rare.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        _return_freed_memory()
        return app


def _return_freed_memory() -> None:
    """Give freed memory back to the system: compiling the schemas takes 20 MB of each worker, once."""
    with suppress(OSError, AttributeError):  # not in every C library
        ctypes.CDLL(None).malloc_trim(0)


def check_head(_worker: object, request: Any) -> None:
    """Reject a head that a proxy and gunicorn could read differently, and close; gunicorn before 22 accepts some.

    WSGI has one name for `X_Client_Host_Id` and for the proxy's own header, and SCRIPT_NAME would move all paths.

    Raises:
        InvalidHeader: gunicorn's class, which it answers with 400.
    """
    for name, value in request.headers:  # upper-case names
        odd_length = name == "CONTENT-LENGTH" and not (value.isascii() and value.isdigit())
        odd_coding = name == "TRANSFER-ENCODING" and value.lower() != "chunked"
        if odd_length or odd_coding or "_" in name:
            raise InvalidHeader(name)


def serve(config: Config) -> None:
    """Serve until stopped by a signal.

    Raises:
        ConfigError: the certificates or the database cannot be used.
        StoreError: the database does not answer.
    """
    log.set_up()
    if config.tls.key:
        make_context(config.tls)
    database = Database(database_url(config))
    try:
        database.create()
    finally:
        database.close()
    Application(config).run()
