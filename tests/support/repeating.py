"""A server that repeats what it is sent, as some proxies and error pages do."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator


class _Repeating(http.server.BaseHTTPRequestHandler):
    """Answers 401, or 200 as a captive portal does, and repeats everything that it was sent."""

    def do_GET(self) -> None:
        words = f"{self.path}\n{self.headers}"
        said = json.dumps({"detail": words, "message": words}).encode()
        self.send_response(200 if "portal" in self.path else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    do_PUT = do_POST  # noqa: N815 - the base class calls it so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing."""


@contextlib.contextmanager
def repeating() -> Iterator[int]:
    """Serve, and yield the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Repeating) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
