"""Starts this program again, as a child process or in place of this one. Light: used by the daemon.

posix_spawn(3), because the daemon has threads and importing subprocess would cost it memory.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from agent.host.process.environment import without_languages

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


class AgentProcess:
    """A child process that was started and may have exited."""

    def __init__(self, arguments: Sequence[str], *, quiet: bool = True) -> None:
        """Start the same interpreter and program with these arguments; `quiet` discards stdout.

        Raises:
            OSError: the process cannot be started.
        """
        own = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
        null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
        self.pid = os.posix_spawn(
            sys.executable,
            [*own, *arguments],
            without_languages(os.environ),
            file_actions=[null] if quiet else [],
            setsigmask=[],  # the daemon blocks its signals in all threads
            setsigdef=_SIGNALS,
        )
        self._started_at = time.monotonic()
        self._code: int | None = None

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self) -> int:
        """Wait for the exit and return the exit code, negative for a signal."""
        while self._code is None:
            try:
                self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                self._code = 0
        return self._code

    def age_s(self) -> float:
        """Return the time since the start, in seconds."""
        return time.monotonic() - self._started_at

    def kill(self) -> None:
        """Send SIGKILL; `exit_code` shows when it has exited."""
        if self.exit_code() is None:
            os.kill(self.pid, signal.SIGKILL)


def replace_self() -> NoReturn:
    """Execute this program with its arguments again, in this process: pid, systemd's notices and directories stay.

    Raises:
        OSError: the program cannot be executed.
    """
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very program
