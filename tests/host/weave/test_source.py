"""Scripts come over HTTP within bounds; real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.errors import HostError
from agent.host.weave.source import MOST_BYTES, read_source

SCRIPT = b"#!/bin/sh\n"


class Pages(BaseHTTPRequestHandler):
    """A server of releases."""

    def do_GET(self) -> None:
        if self.path == "/moved/2.9.0":
            self.send_response(302)
            self.send_header("Location", "/v2.9.0/weave?signature=secret")
            self.end_headers()
        elif self.path == "/loop/2.9.0":
            self.send_response(302)
            self.send_header("Location", "/loop/2.9.0")
            self.end_headers()
        elif self.path.startswith("/v2.9.0/weave"):
            self._answer(200, SCRIPT)
        elif self.path == "/large/2.9.0":
            self._answer(200, b"x" * (MOST_BYTES + 1))
        else:
            self._answer(404, b"none")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def releases() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("path", ["/v{version}/weave", "/moved/{version}"], ids=["page", "redirect"])
def test_a_release_is_downloaded(path: str) -> None:
    with releases() as url:
        assert read_source(f"{url}{path}", "2.9.0") == SCRIPT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none/{version}", "HTTP status 404"),
        ("/loop/{version}", "too many redirects"),
        ("/large/{version}", "larger than"),
    ],
    ids=["w10-missing", "loop", "too-large"],
)
def test_what_is_no_release_is_an_error(path: str, message: str) -> None:
    with releases() as url, pytest.raises(HostError, match=message):
        read_source(f"{url}{path}", "2.9.0")


def test_nobody_there_is_an_error() -> None:
    with releases() as url:
        gone = url

    with pytest.raises(HostError, match="weave"):
        read_source(f"{gone}/weave-{{version}}", "2.9.0")
