"""Client of the engine's API over its Unix socket. Connecting starts a stopped engine: look at its unit first.

Paths have no version: every engine from 1.12 to 29 answers those; a version may be too old or too new for one. A
socket may accept and never answer, or answer one byte at a time: each call has a deadline, and all of a client's calls
together have one.
"""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agent.core.frozen import frozen
from agent.core.redact import redact
from agent.errors import HostError

SOCKET = "/run/docker.sock"
_CALL_S = 5.0
_ALL_S = 15.0
_MOST_BYTES = 16 << 20
"""500 containers in one listing are 1 MB."""
_LONGEST_MESSAGE = 300


class EngineApiError(HostError):
    """A call of the engine's API failed. `status` is None where there was no whole answer."""

    def __init__(self, method: str, path: str, problem: str, *, status: int | None = None) -> None:
        super().__init__(f"Docker's API: {method} {path}: {problem}")
        self.method = method
        self.path = path
        self.problem = problem
        self.status = status


@frozen
class EngineAnswer:
    """One successful answer."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


class EngineApi:
    """The API behind one socket."""

    def __init__(self, path: str = SOCKET, *, call_s: float = _CALL_S, all_s: float | None = _ALL_S) -> None:
        """Take the socket, the deadline of each call and that of all calls from now on (None: no limit)."""
        self._path = path
        self._call_s = call_s
        self._end = None if all_s is None else time.monotonic() + all_s

    def get(self, path: str) -> Any:
        """Return the parsed JSON of an answer. Raises EngineApiError."""
        answer = self.request("GET", path)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise EngineApiError("GET", path, "the answer is not JSON", status=answer.status) from None

    def ping(self) -> Mapping[str, str]:
        """Return the headers of `/_ping`: `server` ("Docker/27.3.1 (linux)"), `api-version`. Raises EngineApiError."""
        return self.request("GET", "/_ping").headers

    def request(self, method: str, path: str, body: object = None, *, call_s: float | None = None) -> EngineAnswer:
        """Send a request, with a JSON body unless it is None; `call_s` replaces the deadline of each call.

        Raises:
            EngineApiError: no answer in time, an answer that is not HTTP or too long, or a status of 400 or more.
        """
        end = time.monotonic() + (self._call_s if call_s is None else call_s)
        end = end if self._end is None else min(end, self._end)
        data = None if body is None else json.dumps(body).encode()
        headers = (
            {"Connection": "close"} if data is None else {"Connection": "close", "Content-Type": "application/json"}
        )
        connection = _EngineConnection(self._path, end)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read(_MOST_BYTES + 1)
            if response.length and len(content) <= _MOST_BYTES:  # what is left of it, which read(n) does not mind
                raise http.client.IncompleteRead(content, response.length)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EngineApiError(method, path, _problem(error)) from error
        finally:
            connection.close()
        if len(content) > _MOST_BYTES:
            raise EngineApiError(method, path, f"the answer is longer than {_MOST_BYTES} bytes", status=response.status)
        if response.status >= http.client.BAD_REQUEST:
            raise EngineApiError(method, path, _message(response.status, content), status=response.status)
        found = {name.lower(): value for name, value in response.getheaders()}
        return EngineAnswer(status=response.status, headers=found, body=content)


class _DeadlineSocket(socket.socket):
    """A socket on which all reads and writes together end at a time of `time.monotonic()`."""

    end = 0.0

    def recv_into(self, *args: Any) -> int:
        """Read within what is left of the time."""
        self.settle()
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        """Write within what is left of the time."""
        self.settle()
        super().sendall(*args)

    def settle(self) -> None:
        """Set what is left of the time as the timeout of the next call."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)


class _EngineConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, end: float) -> None:
        super().__init__("docker")
        self._path = path
        self._end = end

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = made = _DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.end = self._end
        made.settle()
        made.connect(self._path)


def _problem(error: Exception) -> str:
    """Return why there was no answer."""
    if isinstance(error, (TimeoutError, BlockingIOError)):  # EAGAIN: the queue of the socket is full
        return "it does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"the answer is not HTTP ({type(error).__name__})"


def _message(status: int, content: bytes) -> str:
    """Return the engine's message: JSON, or plain text of 20.10 and 28 for a wrong version."""
    text = content.decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        text = str(json.loads(text)["message"])
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"{status}: {redact(line)[:_LONGEST_MESSAGE]}" if line else str(status)
