"""An endpoint in a separate process, and a client that sends what an agent sends."""

import gzip
import http.client
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.authority import Authority, Certificate

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_START_S = 60.0


Tables = dict[str, dict[str, object]]


def write_config(file: Path, database: str, *more: Tables) -> None:
    """Write a configuration without a rate limit; later tables win."""
    tables: Tables = {"database": {"url": database}, "limits": {"requests_per_minute": 1_000_000, "burst": 1_000_000}}
    for change in more:
        for table, values in change.items():
            tables.setdefault(table, {}).update(values)
    lines = []
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    file.write_text("\n".join(lines) + "\n")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(name)} = {_toml(item)}' for name, item in value.items())}}}"
    return json.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def statuses(self) -> list[str]:
        """Return what became of each message."""
        assert self.status == 200, (self.status, self.body)
        return [result["status"] for result in self.json["results"]]

    @property
    def codes(self) -> list[str | None]:
        """Return the reason for each message's status."""
        assert self.status == 200, (self.status, self.body)
        return [result["code"] for result in self.json["results"]]


@dataclass(slots=True, kw_only=True)
class EndpointServer:
    """An endpoint's directory, and its process while it runs."""

    directory: Path
    authority: Authority
    database: str
    port: int
    settings: Tables = field(default_factory=dict)
    network: int | None = None
    """PID of a process whose network namespace it joins; None: this one. Local clients cannot connect to another."""
    tree: Path = CHECKOUT
    """The checkout that it runs from."""
    process: subprocess.Popen[bytes] | None = None
    clients: list["Client"] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.directory / "config.toml"

    @property
    def journal(self) -> str:
        """Return all that it logged."""
        return (self.directory / "journal").read_text()

    def configure(self) -> None:
        server = self.authority.sign("localhost")
        tables: Tables = {
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "tls": {"certificate": str(server.file), "key": str(server.key)},
        }
        write_config(self.config, self.database, tables, self.settings)

    def start(self, unix: Path | None = None) -> None:
        """Start it, and wait until it listens: on its port, or on a unix socket."""
        with (self.directory / "journal").open("ab") as journal:
            enter = [] if self.network is None else ["nsenter", "-t", str(self.network), "-n"]
            self.process = subprocess.Popen(
                [*enter, sys.executable, "-m", "endpoint", "serve", "--config", str(self.config)],
                cwd=self.tree, stdout=journal, stderr=journal, start_new_session=True,
            )  # fmt: skip
        if self.network is None:
            self._wait(unix)

    def _wait(self, unix: Path | None) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.journal
            try:
                _connect(self.port, unix)
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"it does not listen: {self.journal}")

    def kill(self) -> None:
        """Let all its processes die at once, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # Its workers hold the listening socket until they have ended: the next process must not be taken for one.
        deadline = time.monotonic() + _START_S
        while _runs(self.process.pid):
            assert time.monotonic() < deadline, "its workers have not ended"
            time.sleep(0.01)
        self.process = None

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            code = self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.kill()
        self.process = None
        return code

    def end(self) -> None:
        """Close what is open and kill what runs, whatever the test came to."""
        self.hang_up()
        if self.process is not None:
            self.kill()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands."""
        command = [sys.executable, "-m", "endpoint", *arguments, "--config", str(self.config)]
        return subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)

    def token(self, *arguments: str) -> str:
        done = self.run("token", "add", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def client(self, token: str | None = None, certificate: Certificate | None = None) -> "Client":
        made = Client(server=self, token=token, certificate=certificate)
        self.clients.append(made)
        return made

    def hang_up(self) -> None:
        """Close every client's connection."""
        while self.clients:
            self.clients.pop().close()


def _runs(group: int) -> bool:
    """Return whether a process of the group has not ended; a zombie has, whoever collects it (proc(5), "stat")."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = file.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in {"Z", "X"}:
                return True
    return False


def _connect(port: int, unix: Path | None) -> None:
    if unix is None:
        socket.create_connection(("127.0.0.1", port), 1).close()
    else:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(unix))


class Requests(ABC):
    """The requests that an agent makes."""

    @abstractmethod
    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Answer:
        """Send one request; underscores in the headers' names stand for hyphens."""

    def post(self, document: object, **headers: str) -> Answer:
        """Post a document as an agent does: JSON in gzip."""
        return self.send("POST", "/v1/messages", gzip.compress(json.dumps(document).encode()), **headers)

    def raw(self, data: bytes, **headers: str) -> Answer:
        """Post bytes as they are."""
        return self.send("POST", "/v1/messages", data, **{"Content_Encoding": "identity", **headers})

    def beat(self, host: str, instance: str, sequence: object, state_hash: str, **headers: str) -> Answer:
        """Put a single heartbeat."""
        path = f"/v1/hosts/{host}/instances/{instance}/heartbeats/{sequence}"
        fields = {"Content_Encoding": "identity", **headers}
        return self.send("PUT", path, json.dumps({"hash": state_hash}).encode(), **fields)

    def fleet_lock(self, operation: str, client: str, group: str = "default", **headers: str) -> Answer:
        """Send what a FleetLock client sends; it names no content type."""
        data = json.dumps({"client_params": {"id": client, "group": group}}).encode()
        fields = {"fleet_lock_protocol": "true", "Content_Encoding": "identity", "Content_Type": "", **headers}
        return self.send("POST", f"/v1/{operation}", data, **fields)

    def get(self, path: str) -> Answer:
        return self.send("GET", path, None)


def header_fields(token: str | None, data: bytes | None, headers: dict[str, str]) -> dict[str, str]:
    """Return an agent's header fields, with a test's own changes."""
    fields = {"Content-Type": "application/json", "Content-Encoding": "gzip"} if data is not None else {}
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    return {**fields, **{name.replace("_", "-"): value for name, value in headers.items()}}


@dataclass(kw_only=True)
class Client(Requests):
    """One connection, kept open from request to request."""

    server: EndpointServer
    token: str | None = None
    certificate: Certificate | None = None
    connection: http.client.HTTPSConnection | None = None

    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Answer:
        if self.connection is None:
            self.connection = self.connect()
        self.connection.request(method, path, data, header_fields(self.token, data, headers))
        answer = self.connection.getresponse()
        return Answer(status=answer.status, headers=dict(answer.headers), body=answer.read())

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.server.authority.file))
        if self.certificate is not None:
            context.load_cert_chain(self.certificate.file, self.certificate.key)
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=60)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


_OURS = 20000 + os.getpid() * 7417 % 12000
_PORTS: Iterator[int] = itertools.cycle([*range(_OURS, 32000), *range(20000, _OURS)])
"""Below the kernel's ephemeral range (ip_local_port_range), so that a free port stays free until it is bound.

Processes that pytest-xdist has started at once, whose numbers are near each other, begin far apart.
"""


def free_port() -> int:
    """Return a free port on loopback; each test process starts searching at another port."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextmanager
def two_servers(directory: Path, authority: Authority, database: str, more: Tables) -> Iterator[list[EndpointServer]]:
    """Run two servers, each with two processes, on one database; `more` are tables of their configuration."""
    made = []
    with ExitStack() as stack:
        for name in ("one", "two"):
            (directory / name).mkdir()
            settings: Tables = {"server": {"workers": 2, "threads": 4}, **more}
            server = EndpointServer(
                directory=directory / name, authority=authority, database=database, port=free_port(), settings=settings
            )
            server.configure()
            stack.callback(server.end)
            made.append(server)
        for server in made:  # not before: each `configure` writes the same certificate
            server.start()
        yield made
