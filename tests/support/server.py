"""A real HTTP server for a repository, whose answers a test can spoil."""

import contextlib
import http.server
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path


@dataclass(kw_only=True)
class Archive:
    """A running server: where it answers, what it was asked, and what it gets wrong."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Status code by a part of the path."""
    spoiled: set[str] = field(default_factory=set)
    """Parts of paths whose content arrives with its last byte changed."""
    silent: threading.Event = field(default_factory=threading.Event)
    """While set, requests are taken and never answered."""
    on_refused: Callable[[], None] = lambda: None
    """Called before each refusal is sent."""
    closing: threading.Event = field(default_factory=threading.Event)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args: object, archive: Archive, directory: str) -> None:
        self._archive = archive
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._archive.requests.append(self.path)
        if self._archive.silent.is_set():
            self._archive.closing.wait(60)
            return
        for part, code in self._archive.refused.items():
            if part in self.path:
                self._archive.on_refused()
                self.send_error(code)
                return
        if any(part in self.path for part in self._archive.spoiled):
            self._send_spoiled()
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing: the requests are on record."""

    def _send_spoiled(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was killed; anything else is an error as ever."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Archive]:
    """Serve a directory on the loopback address until the block ends."""
    archive = Archive()
    handler = partial(_Handler, archive=archive, directory=str(directory))
    server = _Server(("127.0.0.1", 0), handler)
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield archive
    finally:
        archive.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
