"""Sends lines to the peer of a job, a pipe or a socket, without letting a peer that does not read hold up the job."""

import os
import select
import time

ANSWER_TIMEOUT_S = 10.0
"""How long a peer may read nothing of the answer before the rest is dropped."""


class LineSender:
    """The writing end of a job's connection to the command or the daemon. What the peer does not take is dropped."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor, which stays open and becomes non-blocking."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = b""
        """Of a line that was begun: it goes before the next one, which would else be read as its rest."""

    def progress(self, line: bytes) -> None:
        """Send a line if the peer takes it now; drop it if nothing of it could be written."""
        self._send(line, 0)

    def answer(self, line: bytes) -> None:
        """Send the last line; wait for a peer that reads."""
        self._send(line, ANSWER_TIMEOUT_S)

    def _send(self, line: bytes, timeout_s: float) -> None:
        data = self._rest + line
        deadline = time.monotonic() + timeout_s
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
                deadline = time.monotonic() + timeout_s
            except BlockingIOError:
                writable = select.select([], [self._descriptor], [], max(deadline - time.monotonic(), 0))[1]
                if not writable or time.monotonic() >= deadline:
                    break
            except OSError:  # the peer has gone; the job continues
                data = b""
        unsent = len(data) - len(line)  # of what was begun before
        self._rest = data[:unsent] if unsent >= 0 else data
