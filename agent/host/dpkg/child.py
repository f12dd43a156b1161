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
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.core.ports import Progress, StopReason
from agent.errors import AgentError, BusyError, ChangedError, HostError, StoppedError
from agent.host.dpkg.environment import NONINTERACTIVE_ENV
from agent.host.dpkg.timeouts import DpkgTimeouts, StallWatchdog

_OF_LIBAPT = re.compile(r"(pmstatus|pmerror):(.+?):([0-9.]+):(.*)")
_OF_DPKG = ("status: ", "processing: ")
_ERROR_OF_DPKG = re.compile(r"status: (?P<package>\S+) : error : (?P<words>.*)")
"""What dpkg itself writes where it is run without libapt (dpkg(1), --status-fd)."""
_POLL_S = 1.0
_KINDS: dict[str, type[AgentError]] = {
    kind.__name__: kind for kind in (BusyError, ChangedError, HostError, StoppedError)
}


Values = dict[str, float | str | None]


class ChildChannel:
    """The child's way to speak to its parent; a parent that has gone is not an error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.noted: Values = {}
        """What the parent is to know in the end, however the work ends."""

    def tell(self, message: str) -> None:
        """Send a progress line."""
        self.send({"tell": message})

    def send(self, document: dict[str, object]) -> None:
        """Send one line of JSON."""
        with suppress(BrokenPipeError):
            os.write(self.descriptor, f"{json.dumps(document)}\n".encode())


@dataclass(kw_only=True)
class ChildReport:
    """What the parent heard from the child."""

    errors: dict[str, str] = field(default_factory=dict)
    """dpkg's error messages by package name."""
    values: Values = field(default_factory=dict)
    """What the work noted."""
    raised: AgentError | None = None
    """What ended the work before its time."""
    locked: bool = False
    """Whether the child has dpkg's locks and is at work: from then on it is not disturbed."""
    complete: bool = False
    """Whether the child came to its end and said so."""


def supervise(
    work: Callable[[ChildChannel], None],
    *,
    log: Path,
    limits: DpkgTimeouts,
    tell: Progress,
    stop: StopReason,
) -> ChildReport:
    """Run `work` in a child and wait for it. A stop is passed on to it only while it waits for a lock."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(work, ChildChannel(writing), log)
    os.close(writing)
    report = ChildReport()

    def ask() -> None:
        if stop() and not report.locked:
            os.kill(child, signal.SIGTERM)

    try:
        lost = _listen(reading, StallWatchdog(child, log, limits, report.errors), report, tell=tell, ask=ask)
    finally:
        os.close(reading)
    os.waitpid(child, os.WNOHANG if lost else 0)
    kind = _KINDS.get(str(report.values.pop("raised", "")))
    if kind is not None:
        report.raised = kind(str(report.values.pop("message", "")))
    return report


def _be_child(work: Callable[[ChildChannel], None], channel: ChildChannel, log: Path) -> None:
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.environ.update(NONINTERACTIVE_ENV)
        work(channel)
        channel.send({"done": channel.noted})
        code = 0
    except AgentError as error:
        channel.send({"done": {**channel.noted, "raised": type(error).__name__, "message": str(error)}})
    except BaseException:  # noqa: BLE001 - the child's own boundary: it must never return into its parent's code
        traceback.print_exc()
        channel.send({"done": {**channel.noted, "raised": "HostError", "message": f"internal error, see {log}"}})
    finally:
        os._exit(code)


def _listen(
    reading: int, watch: StallWatchdog, report: ChildReport, *, tell: Progress, ask: Callable[[], None]
) -> bool:
    """Take in what the child says to its end; return whether that end was not waited for."""
    pending = b""
    while True:
        ready, _, _ = select.select([reading], [], [], _POLL_S)
        if not ready:
            ask()
            if watch.lost():
                return True
            continue
        chunk = os.read(reading, 65536)
        if not chunk:
            return False
        watch.alive()
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if _hear(line.decode(errors="replace"), report, tell):
                watch.moved()


def _hear(line: str, report: ChildReport, tell: Progress) -> bool:
    """Take in one line; return whether it says that dpkg has come further."""
    status = _OF_LIBAPT.fullmatch(line)
    if status is not None:
        kind, package, percent, words = status.groups()
        if kind == "pmerror":
            report.errors.setdefault(Path(package).name.split("_")[0], words)
        else:
            tell(f"{float(percent):3.0f} % {words}")
        return True
    failed = _ERROR_OF_DPKG.fullmatch(line)
    if failed is not None:
        report.errors.setdefault(failed["package"].split(":")[0], failed["words"])
        return True
    if line.startswith(_OF_DPKG):
        return True
    with suppress(ValueError):
        document = json.loads(line)
        if "tell" in document:
            tell(document["tell"])
        report.locked = report.locked or "locked" in document
        if "done" in document:
            report.values = document["done"]
            report.complete = "raised" not in document["done"]
    return False
