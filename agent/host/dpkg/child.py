"""Runs dpkg work in a supervised child process that survives its parent.

The child has its own session, reads from /dev/null and writes its output to a file, so that a closed terminal or
a killed parent cannot interrupt a package installation. The parent reads the child's pipe and kills a stalled
maintainer script: the script and not dpkg, so that dpkg records the failure itself.
"""

import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.core.job_control import JobControl
from agent.core.model.package import PackageId
from agent.core.pattern import lazy_pattern
from agent.core.redact import redact
from agent.errors import AgentError, BusyError, ChangedError, HostError, StoppedError
from agent.host.dpkg.environment import NONINTERACTIVE_ENV
from agent.host.dpkg.names import reported_package
from agent.host.dpkg.progress import PackageProgress
from agent.host.dpkg.timeouts import DpkgTimeouts, StallWatchdog
from agent.host.process.environment import replace_environment, system_environment
from agent.host.process.quiet_psutil import load_psutil

_LIBAPT_STATUS = lazy_pattern(r"(pmstatus|pmerror):(.+?):([0-9.]+):(.*)")
_DPKG_STATUS = ("status: ", "processing: ")
_DPKG_ERROR = lazy_pattern(r"status: (?P<package>.+?) : error : (?P<message>.*)")
"""Written by dpkg itself when it runs without libapt (dpkg(1), --status-fd)."""
_POLL_S = 1.0
_KINDS: dict[str, type[AgentError]] = {
    kind.__name__: kind for kind in (BusyError, ChangedError, HostError, StoppedError)
}

Values = dict[str, float | str | None]


class ChildChannel:
    """The child's end of the pipe to its parent. A parent that has exited is not an error."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.values: Values = {}
        """Sent to the parent when the work ends, whether it succeeds or raises."""

    def progress(self, message: str) -> None:
        """Send a progress line."""
        self.send({"progress": message})

    def keep(self, message: str) -> None:
        """Send a line to be kept."""
        self.send({"keep": message})

    def archives(self, packages: Mapping[str, PackageId]) -> None:
        """Send the path that dpkg gets for each package, before dpkg runs: it reports errors by path."""
        self.send({"archives": {path: str(package) for path, package in packages.items()}})

    def send(self, document: dict[str, object]) -> None:
        """Send one line of JSON."""
        with suppress(BrokenPipeError):
            os.write(self.descriptor, f"{json.dumps(document)}\n".encode())


class ChildReport:
    """Result of the child's work, as received by the parent."""

    def __init__(self) -> None:
        self.errors: dict[PackageId | str, str] = {}
        """dpkg's error messages, with keys as in `TransactionReport`."""
        self.archives: dict[str, PackageId] = {}
        """The packages by the path that dpkg gets for each, as the work sends them."""
        self.fatal = ""
        """Why the child was abandoned, or an error about a file that is none of `archives`; empty otherwise."""
        self.values: Values = {}
        """`ChildChannel.values` of the work."""
        self.raised: AgentError | None = None
        """Exception that ended the work early."""
        self.locked = False
        """True once the child holds dpkg's locks. From then on it gets no SIGTERM."""
        self.complete = False
        """True if the work returned normally."""

    def add_error(self, package: PackageId | str, message: str) -> None:
        """Add an error unless one is known: the first is the cause, such as the timeout that killed a script.

        A bare name is that of the only architecture that is installed (`TransactionReport.errors`).
        """
        if package not in self.errors and (isinstance(package, str) or package.name not in self.errors):
            self.errors[package] = message

    def add_reported(self, text: str, message: str) -> None:
        """Add an error of a status line, which holds a package or a path."""
        package = reported_package(text, self.archives)
        if package is not None:
            self.add_error(package, message)
        else:
            self.fatal = self.fatal or f"{text}: {message}"


def supervise(
    work: Callable[[ChildChannel], None],
    *,
    log: Path,
    limits: DpkgTimeouts,
    control: JobControl,
    packages: int = 0,
) -> ChildReport:
    """Run `work`, on a number of packages, in a child and wait for it.

    A stop request reaches it only while it waits for a lock.
    """
    reading, writing = os.pipe()
    load_psutil()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(work, ChildChannel(writing), log)
    os.close(writing)
    report = ChildReport()

    def forward_stop() -> None:
        if control.stop() and not report.locked:
            os.kill(child, signal.SIGTERM)

    try:
        watchdog = StallWatchdog(child, log, limits, report.add_error)
        progress = PackageProgress(packages, control)
        abandoned = _read_messages(reading, watchdog, report, progress, on_idle=forward_stop)
    finally:
        os.close(reading)
    report.fatal = watchdog.survivors or report.fatal
    os.waitpid(child, os.WNOHANG if abandoned else 0)
    kind = _KINDS.get(str(report.values.pop("raised", "")))
    if kind is not None:
        report.raised = kind(str(report.values.pop("message", "")))
    return report


def _run_child(work: Callable[[ChildChannel], None], channel: ChildChannel, log: Path) -> None:
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        replace_environment({**system_environment(os.environ), **NONINTERACTIVE_ENV})
        os.umask(0o022)  # a person's 077 would make files of scripts unreadable
        work(channel)
        channel.send({"done": channel.values})
        code = 0
    except AgentError as error:
        channel.send({"done": {**channel.values, "raised": type(error).__name__, "message": str(error)}})
    except BaseException:  # noqa: BLE001 - process boundary: the child must never return into its parent's code
        print(redact(traceback.format_exc()), file=sys.stderr, flush=True)
        channel.send({"done": {**channel.values, "raised": "HostError", "message": f"internal error, see {log}"}})
    finally:
        os._exit(code)


def _read_messages(
    reading: int,
    watchdog: StallWatchdog,
    report: ChildReport,
    progress: PackageProgress,
    *,
    on_idle: Callable[[], None],
) -> bool:
    """Read the child's messages until it closes the pipe. Return True if it cannot be killed and is abandoned."""
    pending = b""
    while True:
        ready, _, _ = select.select([reading], [], [], _POLL_S)
        progress.control.alive()
        if not ready:
            on_idle()
            if watchdog.enforce():
                return True
            continue
        chunk = os.read(reading, 65536)
        if not chunk:
            return False
        watchdog.output_seen()
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if _handle_line(line.decode(errors="replace"), report, progress):
                watchdog.progress_seen()


def _handle_line(line: str, report: ChildReport, progress: PackageProgress) -> bool:
    """Handle one line. Return True if it is a status line of dpkg or libapt, which proves progress."""
    status = _LIBAPT_STATUS.fullmatch(line)
    if status is not None:
        kind, package, percent, message = status.groups()
        if kind == "pmerror":
            report.add_reported(package, redact(message))
        else:
            progress.libapt_status(package, float(percent), redact(message))
        return True
    failed = _DPKG_ERROR.fullmatch(line)
    if failed is not None:
        report.add_reported(failed["package"], redact(failed["message"]))
        return True
    if line.startswith(_DPKG_STATUS):
        progress.dpkg_status(line)
        return True
    with suppress(ValueError):
        _handle_document(json.loads(line), report, progress.control)
    return False


def _handle_document(document: dict[str, Any], report: ChildReport, control: JobControl) -> None:
    """Handle a line of `ChildChannel.send`."""
    if "progress" in document:
        control.progress(document["progress"])
    if "keep" in document:
        control.keep(document["keep"])
    report.locked = report.locked or "locked" in document
    report.archives.update((path, PackageId.parse(one)) for path, one in document.get("archives", {}).items())
    if "done" in document:
        report.values = document["done"]
        report.complete = "raised" not in document["done"]
