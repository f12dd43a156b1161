"""Receivers of notifications: a webhook, and a mail server, each on loopback in a thread of the test."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One request that the webhook got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Webhook:
    """What it got, and what it answers: the first of `answers` as long as there is one, then 204."""

    port: int
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    body: bytes = b""
    """What follows each answer's headers."""
    got: list[Delivered] = field(default_factory=list)
    refused: bytes = b""
    """What has this in its body is answered with `refusal`, once `answers` are used up."""
    refusal: int = 400
    refusals: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def judged(self, body: bytes) -> tuple[int, dict[str, str]]:
        if not self.refused or self.refused not in body:
            return 204, {}
        self.refusals += 1
        return self.refusal, {}


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a webhook during the block."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 60

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(Delivered(method=self.command, path=self.path, headers=dict(self.headers), body=body))
            status, headers = made.answers.pop(0) if made.answers else made.judged(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(made.body)

        do_PUT = do_POST  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Webhook(port=server.server_address[1])
        with _served(server):
            yield made


@dataclass(slots=True, kw_only=True)
class MailServer:
    """What it took, and the answer to the end of a mail."""

    host: str
    port: int
    answer: str = "250 ok"
    to_quit: str = "221 bye"
    """Empty: it hangs up instead."""
    refused: str = ""
    """A recipient that it does not take."""
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class _Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs that sends one mail."""

    timeout = 60
    """Seconds for one line; afterwards the connection ends with an error, and nothing waits for its thread."""
    taken: ClassVar[MailServer]

    def handle(self) -> None:
        self._say("220 test")
        while line := self.rfile.readline().decode("ascii", "replace").strip():
            verb = line.upper()
            if verb.startswith("RCPT TO"):
                self.taken.recipients.append(line.partition(":")[2].strip("<>"))
                if self.taken.recipients[-1] == self.taken.refused:
                    self._say("550 no such person")
                    continue
            if verb == "DATA":
                self._say("354 go on")
                self._take()
                self._say(self.taken.answer)
            elif verb == "QUIT":
                if self.taken.to_quit:
                    self._say(self.taken.to_quit)
                return
            else:
                self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return  # the client is gone
            lines.append(line.removeprefix(b"."))
        if self.taken.answer.startswith("2"):
            self.taken.mails.append(read_mail(b"".join(lines)))


def read_mail(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=default)


@contextmanager
def mail_server(host: str = "127.0.0.1") -> Iterator[MailServer]:
    """Run a mail server during the block."""

    class Handler(_Smtp):
        """With what this server takes."""

    with socketserver.ThreadingTCPServer((host, 0), Handler) as server:
        server.daemon_threads = True
        made = MailServer(host=host, port=server.server_address[1])
        Handler.taken = made
        with _served(server):
            yield made


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
