"""Runs this very program once more, as a process of its own beside this one. Light: the daemon's only way to start one.

By posix_spawn(3), for the daemon has threads, and subprocess would cost it memory.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


class AgentProcess:
    """One that was started, and may have ended."""

    def __init__(self, arguments: Sequence[str], *, quiet: bool = True) -> None:
        """Start it: the same interpreter and program with these arguments; what it prints is dropped where `quiet`.

        Raises:
            OSError: it cannot be started.
        """
        own = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        self.pid = os.posix_spawn(
            sys.executable,
            [*own, *arguments],
            os.environ,
            file_actions=[null] if quiet else [],
            setsigmask=[],  # the daemon has blocked its own signals in all its threads
            setsigdef=_SIGNALS,
        )
        self._began = time.monotonic()
        self._code: int | None = None

    def ended(self) -> int | None:
        """Return its exit code, below 0 for a signal; None while it runs."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self) -> int:
        """Return its exit code, below 0 for a signal, once it has ended."""
        while self._code is None:
            try:
                self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                self._code = 0
        return self._code

    def age_s(self) -> float:
        """Return for how long it has run."""
        return time.monotonic() - self._began

    def kill(self) -> None:
        """End it; `ended` tells when it has."""
        if self.ended() is None:
            os.kill(self.pid, signal.SIGKILL)
