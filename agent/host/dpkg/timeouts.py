"""Ends a maintainer script that takes too long, and in the end dpkg itself; what cannot be ended is named.

The script is stopped and not dpkg, which then records the failure in an orderly way and goes on. Only where
that does not help within a grace period everything below the transaction is killed, and where even that does
not help the transaction is left alone: dpkg's lock is then still held, and by whom is told.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path

import psutil

_GRACE_S = 30.0
_SCRIPTS = {".preinst", ".postinst", ".prerm", ".postrm"}
_SPARED = {"dpkg", "apt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DpkgTimeouts:
    """How long a transaction may stay as it is."""

    stall: timedelta
    """Without any sign of life: no status line and no output."""
    package: timedelta
    """At work on one package, whatever it prints."""


class _Stage(Enum):
    """How far the ending of what takes too long has come."""

    WAITING = "waiting"
    SCRIPTS_KILLED = "scripts-killed"
    ALL_KILLED = "all-killed"


class StallWatchdog:
    """The clock on one child process that runs dpkg."""

    def __init__(self, child: int, log: Path, limits: DpkgTimeouts, errors: dict[str, str]) -> None:
        self._child = child
        self._log = log
        self._limits = limits
        self._errors = errors
        self._size = 0
        self._alive_at = self._moved_at = self._killed_at = time.monotonic()
        self._stage = _Stage.WAITING

    def alive(self) -> None:
        """Take note of a sign of life."""
        self._alive_at = time.monotonic()

    def moved(self) -> None:
        """Take note that dpkg has come further."""
        self._moved_at = self._alive_at = time.monotonic()
        self._stage = _Stage.WAITING

    def lost(self) -> bool:
        """End what has taken too long; return whether that cannot be done, so that no waiting helps."""
        with suppress(OSError):
            size = self._log.stat().st_size
            if size != self._size:
                self._size = size
                self.alive()
        now = time.monotonic()
        if self._stage is _Stage.WAITING:
            words = self._too_long(now)
            if words:
                self._kill(words)
                self._stage = _Stage.SCRIPTS_KILLED
        elif now - self._killed_at > _GRACE_S:
            if self._stage is _Stage.ALL_KILLED:
                self._name_survivors()
                return True
            self._kill("killed, for ending its maintainer script did not help", everything=True)
            self._stage = _Stage.ALL_KILLED
        return False

    def _too_long(self, now: float) -> str:
        stall_s, package_s = self._limits.stall.total_seconds(), self._limits.package.total_seconds()
        if now - self._alive_at > stall_s:
            return f"stopped after {stall_s:.0f} s without a sign of life (apt.stall_timeout)"
        if now - self._moved_at > package_s:
            return f"stopped after {package_s:.0f} s at work on one package (apt.package_timeout)"
        return ""

    def _kill(self, words: str, *, everything: bool = False) -> None:
        self._killed_at = time.monotonic()
        doomed = []
        # Named before any is killed: a script ends by itself as soon as the program that it waits for has.
        for process in _below(self._child):
            with suppress(psutil.Error):
                if not everything and process.name() in _SPARED:
                    continue
                package = _owner(process)
                if package:
                    self._errors.setdefault(package, f"maintainer script {words}")
                doomed.append(process)
        for process in doomed:
            with suppress(psutil.Error):
                process.kill()

    def _name_survivors(self) -> None:
        names = []
        for process in [psutil.Process(self._child), *_below(self._child)]:
            with suppress(psutil.Error):
                names.append(f"{process.name()} (pid {process.pid}, {process.status()})")
        self._errors.setdefault("dpkg", f"cannot be ended and still holds its lock: {', '.join(names)}")


def _below(child: int) -> list[psutil.Process]:
    """Return the processes below the child, deepest first."""
    with suppress(psutil.Error):
        return list(reversed(psutil.Process(child).children(recursive=True)))
    return []


def _owner(process: psutil.Process) -> str | None:
    """Return the package whose maintainer script a process runs (…/info/NAME.postinst), if it is one."""
    for word in process.cmdline():
        script = Path(word)
        if script.suffix in _SCRIPTS:
            return script.stem.split(":")[0]
    return None
