"""A worker on a real socket, the unprivileged user that talks to it, and an endpoint that confirms requests."""

import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.core.job_kinds import JobKind
from agent.core.requests.model import RequestBook
from agent.core.requests.wire import canonical_form
from agent.host.machine.identity import host_id
from agent.host.process.peer import peer_credentials
from agent.state.requests_record import RequestsRecord
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now
from agent.worker import runner, server
from agent.worker.context import JobContext
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import JobFunction, job_function
from tests.core.requests.given_request import DAY, document
from tests.support.authority import Authority

NOBODY = 65534
OWN_JOBS = {JobKind.REQUEST, JobKind.RUN_REQUEST}


@dataclass(kw_only=True)
class Worker:
    """The privileged half, with its jobs replaced, and everything that the unprivileged half can do to it."""

    directory: Path
    settings: dict[str, dict[str, object]] = field(default_factory=dict)
    did: list[JobRequest] = field(default_factory=list)
    """The jobs that ran."""
    answer: JobAnswer = field(default_factory=lambda: JobAnswer(exit_code=0))
    answers: dict[JobKind, JobAnswer] = field(default_factory=dict)
    """Of the jobs whose answer is another one."""

    @property
    def store(self) -> Store:
        return Store(str(self.directory))

    @property
    def book(self) -> RequestBook:
        found = RequestsRecord(self.store).load()
        assert found is not None
        return found

    def configure(self, **sections: dict[str, object]) -> None:
        """Write the accepted configuration, as root does."""
        self.settings |= sections
        accepted = {
            "schema": "maestro.accepted-config/1",
            "accepted_at": "2026-11-29T00:00:00Z",
            "signature": [],
            "files": [{"path": "/etc/maestro-agent/config.toml", "tables": self.settings}],
            "manifest": [],
        }
        (self.directory / "accepted-config.json").write_text(json.dumps(accepted))

    def request(self, number: int = 1, **changed: Any) -> dict[str, Any]:
        """Return a request for this host that was created just now."""
        now = utc_now().replace(microsecond=0)
        return document(number, created_at=now, host_id=host_id(), expires_at=format_utc(now + DAY), **changed)

    def carry(self, request: object) -> Any:
        """Send a request over the socket as the daemon's user; return the answer."""
        return self.send(job="request", request=request)

    def run_due(self) -> Any:
        """Ask for the next due request to run, as the daemon does; return the answer."""
        return self.send(job="run-request")

    def send(self, **fields: object) -> Any:
        """Send any line over the socket as the daemon's user; return the answer."""
        whole = {
            "schema": "maestro.job-request/1",
            "job": "check",
            "scope": "security",
            "refresh": True,
            "plan_id": None,
            "wait": False,
            "omit_document": True,
            "requested_by": "schedule",
            **fields,
        }
        return json.loads(_as_nobody(f"{json.dumps(whole)}\n".encode()).splitlines()[-1])

    def states(self, number: int = 1) -> list[str]:
        entry = self.book.find(document(number)["id"])
        return [step.state.value for step in entry.steps] if entry else []

    def why(self, number: int = 1) -> str:
        entry = self.book.find(document(number)["id"])
        return entry.last.why.value if entry and entry.last.why else ""


@contextmanager
def working(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Replace the jobs that change something, and have the user nobody be the daemon's."""
    worker = Worker(directory=directory)

    def pretend(request: JobRequest, _context: JobContext) -> JobAnswer:
        worker.did.append(request)
        return worker.answers.get(request.kind, worker.answer)

    def function(kind: JobKind) -> JobFunction:
        return job_function(kind) if kind in OWN_JOBS else pretend

    monkeypatch.setattr(runner, "job_function", function)
    monkeypatch.setattr(server, "DEFAULT_DIRECTORY", str(directory))
    monkeypatch.setattr(server, "uid_of", lambda _user: NOBODY)
    monkeypatch.setattr(runner, "use_system_environment", lambda: None)
    yield worker


_WAIT_S = 120.0


def _as_nobody(line: bytes) -> bytes:
    """Serve one connection of a process of the user nobody; the kernel says who that is."""
    ours, theirs = socket.socketpair()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    address = b"\0maestro-test-%d-%d" % (os.getpid(), id(listening))
    with ours, theirs, listening:
        listening.bind(address)
        listening.listen(1)
        listening.settimeout(_WAIT_S)
        ours.settimeout(_WAIT_S)
        child = os.fork()
        if child == 0:
            _be_client(address, line, theirs)
        connection, _ = listening.accept()
        with connection:
            connection.setblocking(False)
            server.serve(connection, peer_credentials(connection))
        theirs.close()
        os.waitpid(child, 0)
        return _everything(ours)


def _be_client(address: bytes, line: bytes, result: socket.socket) -> None:
    """Be the client: never returns."""
    try:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(address)
            connection.sendall(line)
            result.sendall(_everything(connection))
    finally:
        os._exit(0)


def _everything(connection: socket.socket) -> bytes:
    found = bytearray()
    while chunk := connection.recv(65536):
        found += chunk
    return bytes(found)


@dataclass(frozen=True, slots=True)
class Page:
    """What a proxy answers in place of the endpoint."""

    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmingEndpoint:
    """An endpoint that has some requests."""

    url: str
    ca_file: str
    documents: dict[str, object]
    """By path; an integer stands for that status code, as the endpoint itself answers it."""
    asked: list[str]

    def has(self, request: dict[str, Any], document: object = None) -> None:
        """Have the endpoint answer for a request: with it, with another document or with a status code."""
        self.documents[f"/v1/hosts/{request['host_id']}/requests/{request['id']}"] = document or request


def _answer(found: object) -> tuple[int, str, bytes]:
    """Return status, type and body."""
    if isinstance(found, Page):
        return found.status, "text/html", b"We are back soon."
    body = json.dumps(found).encode()
    return (found, "application/problem+json", body) if isinstance(found, int) else (200, "application/json", body)


@contextmanager
def confirming(directory: Path) -> Iterator[ConfirmingEndpoint]:
    """Serve one over TLS."""
    authority = Authority.make(directory / "ca")
    certificate = authority.sign("localhost")
    documents: dict[str, object] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, kind, body = _answer(documents.get(self.path, 404))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"https://127.0.0.1:{http.server_address[1]}"
            yield ConfirmingEndpoint(url=url, ca_file=str(authority.file), documents=documents, asked=asked)
        finally:
            http.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A person with a key of OpenSSH."""

    key: Path
    name: str

    @classmethod
    def make(cls, directory: Path, name: str) -> "Signer":
        key = directory / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
        return cls(key=key, name=name)

    @property
    def line(self) -> str:
        """The line of an allowed-signers file."""
        kind, public, _ = self.key.with_suffix(".pub").read_text().split()
        return f'{self.name}@example.org namespaces="maestro-request" {kind} {public}\n'

    def sign(self, request: dict[str, Any], namespace: str = "maestro-request") -> dict[str, Any]:
        """Return the request with this person's signature."""
        done = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.key), "-n", namespace],
            input=canonical_form(request),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return {**request, "signature": done.stdout.decode()}
