"""Runs work on dpkg in a child process of its own that outlives whoever asked for it.

The child has its own session, reads nothing, and writes its output to a file, so that a closed terminal or
a killed parent cannot break a package installation in the middle. The parent listens, and stops a
maintainer script that has shown no sign of life for too long: the script, not dpkg, which then records the
failure in an orderly way.
"""

import json
import os
import re
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from agent.errors import AgentError, BusyError, ChangedError, HostError, StoppedError
from agent.host.quiet import QUIET

_STATUS = re.compile(r"(pmstatus|pmerror):(.+?):([0-9.]+):(.*)")
_POLL_S = 1.0
_GRACE_S = 30.0
_KINDS: dict[str, type[AgentError]] = {
    kind.__name__: kind for kind in (BusyError, ChangedError, HostError, StoppedError)
}


class Channel:
    """The child's way to speak to its parent; a parent that has gone is not an error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def tell(self, message: str) -> None:
        """Send a progress line."""
        self.send({"tell": message})

    def send(self, document: dict[str, object]) -> None:
        """Send one line of JSON."""
        with suppress(BrokenPipeError):
            os.write(self.descriptor, f"{json.dumps(document)}\n".encode())


@dataclass(kw_only=True)
class Report:
    """What the parent heard from the child."""

    errors: dict[str, str] = field(default_factory=dict)
    """dpkg's error messages by package name."""
    values: dict[str, float | str | None] = field(default_factory=dict)
    """What the work itself sent last."""
    locked: bool = False
    """Whether the child has dpkg's locks and is at work: from then on it is not disturbed."""
    complete: bool = False
    """Whether the child came to its end and said so."""


def supervise(
    work: Callable[[Channel], dict[str, float | str | None]],
    *,
    log: Path,
    stall_timeout: timedelta,
    tell: Callable[[str], None],
    stop: Callable[[], bool],
) -> Report:
    """Run `work` in a child and wait for it. A stop is passed on to it only while it waits for a lock.

    Raises:
        BusyError, ChangedError, HostError, StoppedError: as the work raised them.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(work, Channel(writing), log)
    os.close(writing)
    report = Report()
    try:
        _listen(reading, _Watch(child, log, stall_timeout, report, stop), report, tell)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    kind = _KINDS.get(str(report.values.pop("raised", "")))
    if kind is not None:
        raise kind(str(report.values.get("message")))
    return report


def _be_child(work: Callable[[Channel], dict[str, float | str | None]], channel: Channel, log: Path) -> None:
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.environ.update(QUIET)
        channel.send({"done": work(channel)})
        code = 0
    except AgentError as error:
        channel.send({"done": {"raised": type(error).__name__, "message": str(error)}})
    except BaseException:  # noqa: BLE001 - the child's own boundary: it must never return into its parent's code
        traceback.print_exc()
        channel.send({"done": {"raised": "HostError", "message": f"internal error, see {log}"}})
    finally:
        os._exit(code)


def _listen(reading: int, watch: "_Watch", report: Report, tell: Callable[[str], None]) -> None:
    pending = b""
    while True:
        ready, _, _ = select.select([reading], [], [], _POLL_S)
        if not ready:
            watch.look()
            continue
        chunk = os.read(reading, 65536)
        if not chunk:
            return
        watch.alive()
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _hear(line.decode(errors="replace"), report, tell)


def _hear(line: str, report: Report, tell: Callable[[str], None]) -> None:
    status = _STATUS.fullmatch(line)
    if status is not None:
        kind, package, percent, words = status.groups()
        if kind == "pmerror":
            report.errors.setdefault(Path(package).name.split("_")[0], words)
        else:
            tell(f"{float(percent):3.0f} % {words}")
        return
    with suppress(ValueError):
        document = json.loads(line)
        if "tell" in document:
            tell(document["tell"])
        report.locked = report.locked or "locked" in document
        if "done" in document:
            report.values = document["done"]
            report.complete = "raised" not in document["done"]


class _Watch:
    """Notices when the child shows no sign of life: no status line and no output."""

    def __init__(self, child: int, log: Path, timeout: timedelta, report: Report, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._child = child
        self._log = log
        self._timeout_s = timeout.total_seconds()
        self._report = report
        self._size = 0
        self._since = time.monotonic()
        self._stopping = False

    def alive(self) -> None:
        """Take note of a sign of life."""
        self._since = time.monotonic()

    def look(self) -> None:
        """Stop the maintainer script that has been silent too long, and dpkg itself if that does not help."""
        if self._stop() and not self._report.locked:
            os.kill(self._child, signal.SIGTERM)
        with suppress(OSError):
            size = self._log.stat().st_size
            if size != self._size:
                self._size = size
                self.alive()
        silent_s = time.monotonic() - self._since
        if silent_s <= (_GRACE_S if self._stopping else self._timeout_s):
            return
        words = f"stopped after {self._timeout_s:.0f} s without a sign of life (apt.stall_timeout)"
        for process in _stuck(self._child, everything=self._stopping):
            with suppress(psutil.Error):
                package = _owner(process)
                if package:
                    self._report.errors.setdefault(package, f"maintainer script {words}")
                process.kill()
        self._stopping = True
        self.alive()


def _stuck(child: int, *, everything: bool) -> list[psutil.Process]:
    """Return the processes below dpkg, deepest first; with `everything`, dpkg too."""
    with suppress(psutil.Error):
        below = psutil.Process(child).children(recursive=True)
        return [process for process in reversed(below) if everything or process.name() not in {"dpkg", "apt"}]
    return []


def _owner(process: psutil.Process) -> str | None:
    """Return the package whose maintainer script a process runs (…/info/NAME.postinst), if it is one."""
    for word in process.cmdline():
        script = Path(word)
        if script.suffix in {".preinst", ".postinst", ".prerm", ".postrm"}:
            return script.stem.split(":")[0]
    return None
