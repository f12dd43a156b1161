"""Kills a stalled maintainer script, then dpkg itself; reports processes that survive SIGKILL.

The script is killed and not dpkg, so that dpkg records the failure and continues. If the transaction is still stalled
after a grace period, all of its processes are killed. If that fails too, the transaction is abandoned: dpkg's lock
is then still held, and the error names the processes that hold it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import apt_pkg

from agent.core.frozen import frozen
from agent.core.model.package import PackageId
from agent.host.dpkg.names import reported_package
from agent.host.process.quiet_psutil import psutil

_GRACE_S = 30.0
_SCRIPT_SUFFIXES = {".preinst", ".postinst", ".prerm", ".postrm"}
_PACKAGE_MANAGERS = {"dpkg", "apt"}


@frozen
class DpkgTimeouts:
    """How long a transaction may make no progress."""

    stall: timedelta
    """Without a status line and without output."""
    package: timedelta
    """On one package, regardless of output."""


class _Stage(Enum):
    """Escalation against a stalled transaction."""

    WATCHING = "watching"
    SCRIPTS_KILLED = "scripts-killed"
    ALL_KILLED = "all-killed"


class StallWatchdog:
    """Watches one child process that runs dpkg."""

    def __init__(
        self, child: int, log: Path, limits: DpkgTimeouts, add_error: Callable[[PackageId | str, str], None]
    ) -> None:
        self._child = child
        self._log = log
        self._limits = limits
        self._add_error = add_error
        self.survivors = ""
        """Which processes could not be killed; empty until that is known."""
        self._log_size = 0
        self._output_at = self._progress_at = self._killed_at = time.monotonic()
        self._stage = _Stage.WATCHING

    def output_seen(self) -> None:
        """Restart the stall timeout."""
        self._output_at = time.monotonic()

    def progress_seen(self) -> None:
        """Restart both timeouts: dpkg started its next action."""
        self._progress_at = self._output_at = time.monotonic()
        self._stage = _Stage.WATCHING

    def enforce(self) -> bool:
        """Kill processes that exceeded a timeout. Return True if they survive SIGKILL, so that waiting is useless."""
        with suppress(OSError):
            size = self._log.stat().st_size
            if size != self._log_size:
                self._log_size = size
                self.output_seen()
        now = time.monotonic()
        if self._stage is _Stage.WATCHING:
            timeout = self._exceeded(now)
            if timeout:
                self._kill(timeout)
                self._stage = _Stage.SCRIPTS_KILLED
        elif now - self._killed_at > _GRACE_S:
            if self._stage is _Stage.ALL_KILLED:
                self._report_survivors()
                return True
            self._kill("killed with dpkg: killing the script alone did not help", everything=True)
            self._stage = _Stage.ALL_KILLED
        return False

    def _exceeded(self, now: float) -> str:
        stall_s, package_s = self._limits.stall.total_seconds(), self._limits.package.total_seconds()
        if now - self._output_at > stall_s:
            return f"killed after {stall_s:.0f} s without output (apt.stall_timeout)"
        if now - self._progress_at > package_s:
            return f"killed after {package_s:.0f} s on one package (apt.package_timeout)"
        return ""

    def _kill(self, reason: str, *, everything: bool = False) -> None:
        self._killed_at = time.monotonic()
        victims = []
        # Names first, then kills: a script exits by itself once the program that it waits for is dead.
        for process in _descendants(self._child):
            with suppress(OSError, psutil.Error):
                if not everything and process.name() in _PACKAGE_MANAGERS:
                    continue
                package = _script_owner(process)
                if package:
                    self._add_error(package, f"maintainer script {reason}")
                victims.append(process)
        for process in victims:
            with suppress(OSError, psutil.Error):
                process.kill()

    def _report_survivors(self) -> None:
        names = []
        for process in _with_descendants(self._child):
            with suppress(OSError, psutil.Error):
                names.append(f"{process.name()} (pid {process.pid}, {process.status()})")
        self.survivors = f"dpkg cannot be killed and still holds its lock: {', '.join(names)}"


def _with_descendants(child: int) -> list[Any]:
    """Return the child and its descendants; empty if that is not known."""
    with suppress(OSError, psutil.Error):
        return [psutil.Process(child), *_descendants(child)]
    return []


def _descendants(child: int) -> list[Any]:
    """Return the child's descendants, deepest first."""
    with suppress(OSError, psutil.Error):  # also without /proc
        return list(reversed(psutil.Process(child).children(recursive=True)))
    return []


def _script_owner(process: Any) -> PackageId | str | None:
    """Return the package whose script a process runs; None if it runs none.

    dpkg runs …/info/NAME[:ARCHITECTURE].postinst and, of an archive that it unpacks, …/tmp.ci/preinst beside `control`.
    """
    for argument in process.cmdline():
        script = Path(argument)
        if script.parent.name == "tmp.ci":
            return _control_package(script.with_name("control"))
        if script.suffix in _SCRIPT_SUFFIXES:
            return reported_package(script.stem, {})
    return None


def _control_package(control: Path) -> PackageId | str | None:
    with suppress(OSError, SystemError, UnicodeDecodeError, KeyError), control.open("rb") as file:
        fields = apt_pkg.TagSection(file.read())
        return reported_package(f"{fields['Package']}:{fields['Architecture']}", {})
    return None
