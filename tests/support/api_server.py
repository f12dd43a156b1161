"""A Unix socket whose answers a test scripts, byte by byte."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Script = Callable[[socket.socket, str], None]
"""Answers one connection; gets the request's first line, "GET /info HTTP/1.1"."""


@contextlib.contextmanager
def api_server(path: Path, script: Script) -> Iterator[list[str]]:
    """Answer connections by the script until the block ends; give the first lines of the requests."""
    seen: list[str] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(8)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            seen.append(_request(connection).split("\r\n")[0])
            script(connection, seen[-1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def _request(connection: socket.socket) -> str:
    """Return a whole request: an answer before its body has arrived would end the client's sending with an error."""
    text = ""
    while not _complete(text):
        received = connection.recv(65536).decode()
        if not received:
            break
        text += received
    return text


def _complete(text: str) -> bool:
    head, end, body = text.partition("\r\n\r\n")
    lengths = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
    return bool(end) and len(body) >= int(next(iter(lengths), "0"))


def http_answer(body: str, status: str = "200 OK", headers: str = "") -> bytes:
    """Return an answer of HTTP/1.1 with the length of its body."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
