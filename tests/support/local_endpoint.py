"""An endpoint in this process: its WSGI application behind Flask's test client, its commands as function calls.

No socket, no TLS, no gunicorn: tests/endpoint/test_server.py is about those.
"""

import io
import json
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from flask import Flask

from endpoint import log as endpoint_log
from endpoint.cli.main import main
from endpoint.config.read import read_config
from endpoint.http.api import make_app
from endpoint.store.database import Database
from tests.support.endpoint_server import Answer, Requests, Tables, header_fields, write_config

_CONNECTIONS = 9
"""As many as the server takes for its default of 8 threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@contextmanager
def _log_restored() -> Iterator[None]:
    """Undo the command's log.set_up(), whose stream ends with the command."""
    before = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**before)
        vars(endpoint_log._LOG).pop("bind", None)  # noqa: SLF001 - structlog keeps its cached logger there


def run_command(*arguments: str, encoding: str = "utf-8") -> Done:
    """Run a command of the endpoint in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
    with _log_restored(), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
    printed = [stream.buffer.getvalue().decode(encoding) for stream in (out, err)]
    return Done(returncode=code, stdout=printed[0], stderr=printed[1])


@dataclass(kw_only=True)
class LocalEndpoint:
    """An endpoint's directory, database and application."""

    directory: Path
    database: str
    settings: Tables = field(default_factory=dict)
    logged: list[MutableMapping[str, Any]] = field(default_factory=list)
    _app: Flask | None = None
    _opened: Database | None = None

    @property
    def config(self) -> Path:
        return self.directory / "config.toml"

    @property
    def journal(self) -> str:
        """Return all that was logged during this test."""
        return "\n".join(json.dumps(entry, default=repr) for entry in self.logged)

    def configure(self) -> None:
        write_config(self.config, self.database, self.settings)

    def start(self) -> None:
        self._opened = Database(self.database, connections=_CONNECTIONS)
        self._opened.create()
        self._app = make_app(read_config(self.config), self._opened)

    def end(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def opened(self) -> Database:
        """Return its database."""
        assert self._opened is not None
        return self._opened

    def restart(self) -> None:
        self.end()
        self.start()

    def run(self, *arguments: str, encoding: str = "utf-8") -> Done:
        """Run one of its commands."""
        return run_command(*arguments, "--config", str(self.config), encoding=encoding)

    def token(self, *arguments: str) -> str:
        done = self.run("token", "add", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @cached_property
    def any_host_token(self) -> str:
        return self.token("--name", "tests")

    @property
    def app(self) -> Flask:
        """Return its application."""
        assert self._app is not None
        return self._app

    def client(self, token: str | None = None) -> "LocalClient":
        return LocalClient(server=self, app=self.app, token=token)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Collect what is logged until the block ends."""
        with structlog.testing.capture_logs() as self.logged:
            yield


@dataclass(kw_only=True)
class LocalClient(Requests):
    """Requests to the application, without a connection."""

    server: LocalEndpoint
    app: Flask
    token: str | None = None

    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Answer:
        fields = header_fields(self.token, data, headers)
        length = {} if data is None else {"CONTENT_LENGTH": str(len(data))}  # for an empty body, too, as over a socket
        answer = self.app.test_client().open(path, method=method, data=data, headers=fields, environ_overrides=length)
        return Answer(status=answer.status_code, headers=dict(answer.headers), body=answer.data)
