"""Requests a job from the worker over its socket and reads until the answer. Light: the daemon stays small."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress

from agent.core.job_control import Progress
from agent.errors import BusyError, HostError, PrivilegeError, RecordError
from agent.worker.protocol import JobAnswer, JobRequest, decode_line, encode_request

SOCKET = "/run/maestro-agent-worker.sock"
_CONNECT_TIMEOUT_S = 10.0
_MAX_LINE_BYTES = 64 * 1024 * 1024
"""A plan of ten thousand packages is about five million bytes."""


def request_job(
    request: JobRequest, progress: Progress, path: str = SOCKET, *, silence_s: float | None = None
) -> JobAnswer:
    """Have the worker run a job; `progress` gets its progress lines, an empty one is a keep-alive.

    `silence_s` is how long it may send nothing; None: a job has no time limit here.

    Raises:
        HostError: the worker cannot be reached, is silent for too long, or exited without an answer.
        BusyError: the connection was closed before the first line.
        PrivilegeError: this user may not use the socket.
    """
    with _connect(path) as connection:
        with suppress(ConnectionError):  # already closed: the loop below reads nothing
            connection.sendall(encode_request(request))
        connection.settimeout(silence_s)
        any_line = False
        for line in _lines(connection):
            any_line = True
            try:
                received = decode_line(line)
            except RecordError as error:
                raise HostError(f"{path}: {error}") from error
            if isinstance(received, JobAnswer):
                return received
            progress(received)
    if not any_line:
        raise BusyError(
            f"{path}: connection closed without a reply: too many concurrent requests, "
            "or the worker was killed at startup"
        )
    raise HostError("the job ended without an answer; `maestro-agent history` shows how far it came")


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(_CONNECT_TIMEOUT_S)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PrivilegeError(f"{path}: only root may request a job (`sudo maestro-agent ...`)") from error
        raise HostError(
            f"{path}: no worker answers: {error.strerror or error}; `systemctl status maestro-agent-worker.socket`"
        ) from error
    return connection


def _lines(connection: socket.socket) -> Iterator[str]:
    partial: list[bytes] = []
    length = 0
    while length <= _MAX_LINE_BYTES:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return
        except TimeoutError as error:
            raise HostError("the worker has not answered in time; the job goes on") from error
        if not chunk:
            return
        first, *others = chunk.split(b"\n")
        partial.append(first)
        length += len(first)
        for other in others:
            yield b"".join(partial).decode(errors="replace")
            partial, length = [other], len(other)
