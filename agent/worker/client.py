"""Asks the root half for a job over its socket, and listens to the end. Light: the daemon stays small."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress

from agent.core.ports import Progress
from agent.errors import BusyError, HostError, PrivilegeError, RecordError
from agent.worker.protocol import JobAnswer, JobRequest, decode_line, encode_request

SOCKET = "/run/maestro-agent-worker.sock"
_CONNECT_S = 10.0
_LONGEST_LINE = 64 * 1024 * 1024
"""A plan of ten thousand packages is some five million bytes."""


def request_job(request: JobRequest, tell: Progress, path: str = SOCKET) -> JobAnswer:
    """Have a job done; `tell` takes its progress.

    Raises:
        HostError: there is no worker to be reached, or it ended without an answer.
        BusyError: it hung up before it said anything.
        PrivilegeError: the socket may not be used by this user.
    """
    with _connect(path) as connection:
        with suppress(ConnectionError):  # where it hangs up already, nothing will be heard, either
            connection.sendall(encode_request(request))
        connection.settimeout(None)  # a job takes as long as it takes
        heard = False
        for line in _lines(connection):
            heard = True
            try:
                said = decode_line(line)
            except RecordError as error:
                raise HostError(f"{path}: {error}") from error
            if isinstance(said, JobAnswer):
                return said
            tell(said)
    if not heard:
        raise BusyError(f"{path}: hung up without a word: too many ask at once, or the job was killed at its start")
    raise HostError("the job ended without an answer; `maestro-agent history` tells how far it came")


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(_CONNECT_S)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise PrivilegeError(f"{path}: only root may ask for a job (`sudo maestro-agent ...`)") from error
        raise HostError(
            f"{path}: no worker answers: {error.strerror or error}; `systemctl status maestro-agent-worker.socket`"
        ) from error
    return connection


def _lines(connection: socket.socket) -> Iterator[str]:
    begun: list[bytes] = []
    length = 0
    while length <= _LONGEST_LINE:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return
        if not chunk:
            return
        first, *others = chunk.split(b"\n")
        begun.append(first)
        length += len(first)
        for other in others:
            yield b"".join(begun).decode(errors="replace")
            begun, length = [other], len(other)
