"""The repositories' HTTP server: static files on a loopback port, and one fault at a time."""

import base64
import contextlib
import http.server
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

Answer = Callable[["Handler"], bool]
"""Sends an answer other than the file, and returns whether it did."""
_RESET = struct.pack("ii", 1, 0)


def _send_file(_handler: "Handler") -> bool:
    """Leave it to the handler."""
    return False


@dataclass(kw_only=True)
class Server:
    """A running server and its fault."""

    port: int = 0
    answer: Answer = _send_file
    login: tuple[str, str] | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    stop: Callable[[], None] = lambda: None
    """Stops listening: connections are refused from then on."""
    secure: Callable[[ssl.SSLContext], int] = lambda _context: 0
    """Listens with TLS as well, and returns the port."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, server_state: Server, directory: str) -> None:
        self.state = server_state
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.path = self.path.encode("latin-1").decode(errors="replace")  # not all apts encode what they decoded
        if self.path.startswith("http://"):  # as a proxy
            self.path = "/" + self.path.split("/", 3)[3]
        if self.path.startswith("/tested") and self.state.answer(self):
            return
        if self.path == "/login.html":
            self.send_body(b"<!DOCTYPE html><html><body>Please sign in.</body></html>\n")
            return
        if self.path.startswith("/forbidden/"):
            self.send_error(403)
            return
        if self.path.startswith("/moved/"):
            self.path = self.path.removeprefix("/moved")
        if self.state.login is not None and self.headers["Authorization"] != _basic(*self.state.login):
            self.send_error(401)
            return
        super().do_GET()

    def send_body(self, content: bytes, *, length: int | None = None, kind: str = "text/html") -> None:
        """Answer 200 with this content, of another length than announced if one is given."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def redirect(self, target: str, code: int = 302) -> None:
        """Answer with another place."""
        self.send_response(code)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reset(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.shutdown(socket.SHUT_RD)
        self.close_connection = True

    def content(self) -> bytes | None:
        """Return the file's content; None without one."""
        path = Path(self.translate_path(self.path))
        return path.read_bytes() if path.is_file() else None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Log nothing."""


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that closed its connection."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, ssl.SSLError, ValueError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """Serve a directory on the loopback address until the block ends, or `stop` is called."""
    state = Server()
    listening = _HttpServer(("127.0.0.1", 0), partial(Handler, server_state=state, directory=str(directory)))
    state.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        state.closing.set()
        listening.shutdown()
        thread.join()
        listening.server_close()

    def secure(context: ssl.SSLContext) -> int:
        other = _HttpServer(("127.0.0.1", 0), partial(Handler, server_state=state, directory=str(directory)))
        other.socket = context.wrap_socket(other.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01}).start()
        secured.append(other)
        return int(other.server_address[1])

    secured: list[_HttpServer] = []
    state.stop, state.secure = stop, secure
    try:
        yield state
    finally:
        for one in secured:
            one.shutdown()
            one.server_close()
        if thread.is_alive():
            stop()


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
