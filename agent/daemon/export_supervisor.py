"""Starts the exporters when they are due, and kills those that hang.

What needs no process is done in a thread of the daemon (`agent.daemon.in_daemon`); everything else in a process.

Level-triggered like the rest of the daemon: it compares the record with what it saw at the last start, and reads each
exporter's status file. When an exporter is due is decided in `agent.core.schedule.exports`; this keeps process handles.
Each exporter has its own process, so that a slow one does not delay the others.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path

from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.core.schedule.exports import ExportSchedule, ExportState, ExportTick
from agent.core.schedule.slots import Interval, stable_fraction
from agent.daemon.in_daemon import AttemptResult, Begin, InDaemon, InDaemonAttempts, run_at_once
from agent.errors import ExitCode, RecordError
from agent.host import log
from agent.host.process.spawn import AgentProcess
from agent.host.reboot.need import read_reboot_need
from agent.report.export_state import export_state_from_document
from agent.report.recent_status import RecentStatus
from agent.report.targets import ExportTarget, enabled_targets
from agent.state.exporter_status import clear_exporter_status, exporter_status_or_none, status_version
from agent.state.file_version import FileVersion, file_version
from agent.state.job_lock import worker_pid
from agent.state.job_status import JOBS
from agent.state.store import REQUESTS, Store

_GRACE_S = 60.0
"""What an exporter may take beyond twice the timeout of one request, when it ends by itself with a status file."""
_IN_DAEMON_GRACE_S = 10.0
"""What an attempt in the daemon may take beyond the timeout of one request."""
Start = Callable[[Sequence[str]], AgentProcess]
InDaemonOf = Callable[[ExporterName, RecentStatus], InDaemon | None]


def load_in_daemon(name: ExporterName, recent: RecentStatus) -> InDaemon | None:
    """Import what the daemon can do itself for an exporter, by name: one that is off costs no memory; None: nothing."""
    if not name.in_daemon:
        return None
    found: InDaemon = importlib.import_module(name.in_daemon).create_in_daemon(recent)
    return found


class ExportSupervisor:
    """One process at a time for each exporter."""

    def __init__(
        self,
        config: Path | None,
        store: Store,
        run_dir: str,
        start: Start = AgentProcess,
        *,
        accepted: bool = False,
        in_daemon: InDaemonOf = load_in_daemon,
        wake: Callable[[], None] = lambda: None,
        begin: Begin = run_at_once,
    ) -> None:
        """Take what the processes are started with; starts nothing yet. `wake`, of any thread, brings the next tick."""
        options = ["--config", str(config)] if config is not None else []
        before = [*options, "--state-dir", store.directory]
        behind = ["--run-dir", run_dir, *(["--accepted"] if accepted else [])]
        self._recent = RecentStatus(store, run_dir)
        self._store = store
        self._processes = {
            name: _ExporterProcess(
                name,
                run_dir,
                [*before, f"export-{name.value}", *behind],
                start,
                partial(_attempts, partial(in_daemon, name, self._recent), wake, begin),
                partial(_record_failure, store, run_dir, name),
            )
            # What stays on this machine comes first: it does not wait behind a slow server.
            for name in sorted(ExporterName, key=lambda name: not name.local)
        }

    def tick(self, policy: Policy, machine: str, now: datetime, up_since: datetime) -> None:
        """Start the exporters that are due; kill those that hang or were turned off."""
        targets = {one.exporter: one for one in enabled_targets(policy)}
        seen = self._seen() if targets else None
        self._recent.forget()  # what is collected for this look is not older than `seen`
        for name, process in self._processes.items():
            if name not in targets:
                process.turn_off()
                continue
            # A share for each exporter: those of one machine do not all run at the same moment. What stays on the
            # machine takes the endpoint's: the daemon does not wake for it alone.
            share = stable_fraction(machine, (ExporterName.ENDPOINT if name.local else name).value)
            slots = Interval(interval=targets[name].interval, share=share)
            tick = ExportTick(now=now, up_since=up_since, slots=slots, local=name.local, seen=seen)
            process.tick(targets[name], policy, tick)

    @property
    def idle(self) -> bool:
        """Whether no exporter is running."""
        return not any(process.running for process in self._processes.values())

    @property
    def overdue(self) -> bool:
        """Whether a tick has to end something that hangs; may be called by any thread."""
        return any(process.overdue for process in self._processes.values())

    @property
    def due_at(self) -> datetime | None:
        """When an exporter is due next, unless there is something new before; None if none is on.

        One that was found running is due at once; the end of one that was started by the last tick brings another.
        """
        return min((one.due_at for one in self._processes.values() if one.due_at is not None), default=None)

    def _seen(self) -> object:
        """Return a value that changes with the record; None while a job writes it, or if it cannot be read."""
        if worker_pid(self._store.directory) is not None:
            return None
        with suppress(OSError, RecordError):
            changed = tuple(_version(self._store.path(name)) for name in (JOBS, REQUESTS))
            return (*changed, next(iter(self._store.run_ids()), ""), read_reboot_need().view.required)
        return None


def _version(path: str) -> FileVersion | None:
    return file_version(path) if os.path.exists(path) else None


def _attempts(
    in_daemon: Callable[[], InDaemon | None], wake: Callable[[], None], begin: Begin
) -> InDaemonAttempts | None:
    found = in_daemon()
    return None if found is None else InDaemonAttempts(found, wake, begin)


def _record_failure(store: Store, run_dir: str, name: ExporterName, policy: Policy, why: str, since: datetime) -> None:
    module = importlib.import_module("agent.daemon.export_failure")
    module.record_failure(store, run_dir, name, str(attrgetter(name.switch)(policy)), why, since)


class _ExporterProcess:
    """One exporter: its process while there is one, and its attempts without."""

    def __init__(
        self,
        name: ExporterName,
        run_dir: str,
        arguments: Sequence[str],
        start: Start,
        make_attempts: Callable[[], InDaemonAttempts | None],
        record_failure: Callable[[Policy, str, datetime], None],
    ) -> None:
        self._name = name
        self._run_dir = run_dir
        self._arguments = arguments
        self._start = start
        self._make_attempts = make_attempts
        self._record_failure = record_failure
        self._attempts: InDaemonAttempts | None = None
        self._child: AgentProcess | None = None
        self._schedule = ExportSchedule()
        self._limit_s = 0.0
        self._status_version: FileVersion | None = None
        """Of the status file at the last start of a process."""
        self.due_at: datetime | None = None
        """When it is started next, by the last tick; None while it is off."""
        self._processed: object = None
        """`ExportTick.seen` at the last start of a process, which saw this or newer; None if it failed."""

    def tick(self, target: ExportTarget, policy: Policy, tick: ExportTick) -> None:
        self._attempts = self._attempts or self._make_attempts()
        self._schedule = self._schedule.configured(target.settings)
        self.due_at = tick.now  # while one runs: what is new meanwhile waits for its end
        self._limit_s = 2 * target.timeout.total_seconds() + _GRACE_S
        if self._is_running(policy, tick.now):
            return
        result = self._attempts.take_result() if self._attempts else None
        if self._attempts and self._attempts.running:
            return
        state = self._export_state()
        if result is not AttemptResult.PROCESS_NEEDED:
            self.due_at, self._schedule = self._schedule.next(state, tick)
            if self.due_at > tick.now or self._try_in_daemon(target, policy, state, tick):
                return
        self._start_process(policy, state, tick)

    def _try_in_daemon(self, target: ExportTarget, policy: Policy, state: ExportState, tick: ExportTick) -> bool:
        """Start an attempt without a process; return whether that was possible."""
        unchanged = tick.seen is not None and tick.seen == self._processed
        limit_s = target.timeout.total_seconds() + _IN_DAEMON_GRACE_S
        if self._attempts is None or not self._attempts.start(policy, limit_s, unchanged=unchanged):
            return False
        self.due_at, self._schedule = self._schedule.started(tick).next(state, tick)
        return True

    def _start_process(self, policy: Policy, state: ExportState, tick: ExportTick) -> None:
        self.due_at, self._schedule = self._schedule.started(tick).next(state, tick)
        self._processed = None
        self._status_version = status_version(self._run_dir, self._name)
        own = self._attempts.exporter.process_arguments if self._attempts else ()
        try:
            self._child = self._start([*self._arguments, *own])
        except OSError as error:
            log.event(log.LogEvent.EXPORTER_FAILED, exporter=self._name.value, error=str(error))
            self._record_failure(policy, f"its process could not be started: {error}", tick.now)
        else:
            self._processed = tick.seen

    @property
    def overdue(self) -> bool:
        """Whether the process or the attempt is beyond its limit, by the last tick."""
        child = self._child  # a tick in another thread may drop it
        if child is not None:
            return child.age_s() > self._limit_s
        return self._attempts is not None and self._attempts.overdue

    @property
    def running(self) -> bool:
        """Whether the process or an attempt without one is running."""
        in_daemon = self._attempts is not None and self._attempts.running
        return in_daemon or (self._child is not None and self._child.exit_code() is None)

    def turn_off(self) -> None:
        """Kill the process and remove the status file."""
        if self._attempts is not None:
            self._attempts.abandon()
        if self._child is not None:
            self._child.kill()
            self._child = None if self._child.exit_code() is not None else self._child
        if self._child is None:
            clear_exporter_status(self._run_dir, self._name)
            self._schedule, self.due_at = ExportSchedule(), None

    def _is_running(self, policy: Policy, now: datetime) -> bool:
        if self._child is None:
            return False
        code = self._child.exit_code()
        if code is None:
            if self._child.age_s() > self._limit_s:
                log.event(log.LogEvent.EXPORTER_KILLED, exporter=self._name.value, seconds=round(self._child.age_s()))
                self._child.kill()
            return True
        self._child = None
        if code != 0:
            self._record_end(code, policy, now)
        return False

    def _record_end(self, code: int, policy: Policy, now: datetime) -> None:
        """Record the end of a process that failed and wrote no status file: only this process knows of it."""
        recorded = status_version(self._run_dir, self._name) != self._status_version
        if code == ExitCode.BUSY or not recorded:
            self._processed = None  # perhaps it ended before it queued what was new
        if code == ExitCode.BUSY or recorded:
            return  # another process runs the exporter and writes the file, or it is written
        how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
        # By its start, as the schedule counts it: the next slot may have passed since.
        self._record_failure(
            policy, f"its process ended {how} before it had a result", self._schedule.started_at or now
        )

    def _export_state(self) -> ExportState:
        status = exporter_status_or_none(self._run_dir, self._name)
        return export_state_from_document(status.raw.get("export_state")) if status else ExportState()
