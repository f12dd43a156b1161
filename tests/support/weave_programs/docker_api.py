"""Requests to Docker as the real Weave makes them: with a version in the path, or without."""

import http.client
import json
import socket
from typing import Any

SOCKET = "/var/run/docker.sock"


class RefusedError(Exception):
    """Docker answered with an error; the text is as the real programs print it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"API error ({status}): {message}")
        self.status = status


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def ask(method: str, path: str, body: object = None, *, version: str = "", timeout: float | None = None) -> Any:
    """Make one request and return its JSON, None without a body; without a version in the path by default."""
    connection = _Connection("docker", timeout=timeout)
    try:
        sent = None if body is None else json.dumps(body)
        prefix = f"/v{version}" if version else ""
        connection.request(method, prefix + path, sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 400:
        raise RefusedError(answer.status, _message(text))
    return json.loads(text) if text else None


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()
