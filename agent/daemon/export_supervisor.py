"""Starts the exporters' processes when they are due, and kills those that hang. The daemon itself sends nothing.

Level-triggered like the rest of the daemon: it compares the record with what it saw at the last start, and reads each
exporter's status file. When an exporter is due is decided in `agent.core.schedule.exports`; this keeps process handles.
Each exporter has its own process, so that a slow one does not delay the others.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agent.core.exporters import ExporterName
from agent.core.policy.policy import Policy
from agent.core.schedule.exports import ExportSchedule, ExportState, ExportTick
from agent.core.schedule.slots import Interval, stable_fraction
from agent.errors import RecordError
from agent.host import log
from agent.host.process.spawn import AgentProcess
from agent.host.reboot.need import read_reboot_need
from agent.report.export_state import export_state_from_document
from agent.report.targets import ExportTarget, enabled_targets
from agent.state.exporter_status import clear_exporter_status, exporter_status_or_none
from agent.state.job_lock import worker_pid
from agent.state.job_status import JOBS
from agent.state.store import REQUESTS, Store

_GRACE_S = 60.0
"""What an exporter may take beyond twice the timeout of one request."""
Start = Callable[[Sequence[str]], AgentProcess]


class ExportSupervisor:
    """One process at a time for each exporter."""

    def __init__(
        self, config: Path | None, store: Store, run_dir: str, start: Start = AgentProcess, *, accepted: bool = False
    ) -> None:
        """Take what the processes are started with; starts nothing yet."""
        options = ["--config", str(config)] if config is not None else []
        before = [*options, "--state-dir", store.directory]
        behind = ["--run-dir", run_dir, *(["--accepted"] if accepted else [])]
        self._store = store
        self._processes = {
            name: _ExporterProcess(name, run_dir, [*before, f"export-{name.value}", *behind], start)
            for name in ExporterName
        }

    def tick(self, policy: Policy, machine: str, now: datetime, up_since: datetime) -> None:
        """Start the exporters that are due; kill those that hang or were turned off."""
        targets = {one.exporter: one for one in enabled_targets(policy)}
        seen = self._seen() if targets else None
        for name, process in self._processes.items():
            if name not in targets:
                process.turn_off()
                continue
            # A share for each exporter: those of one machine do not all run at the same moment.
            slots = Interval(interval=targets[name].interval, share=stable_fraction(machine, name.value))
            process.tick(
                targets[name], ExportTick(now=now, up_since=up_since, slots=slots, local=name.local, seen=seen)
            )

    @property
    def idle(self) -> bool:
        """Whether no exporter is running."""
        return not any(process.running for process in self._processes.values())

    @property
    def due_at(self) -> datetime | None:
        """When an exporter is due next, unless there is something new before; None if none is on."""
        return min((one.due_at for one in self._processes.values() if one.due_at is not None), default=None)

    def _seen(self) -> object:
        """Return a value that changes with the record; None while a job writes it, or if it cannot be read."""
        if worker_pid(self._store.directory) is not None:
            return None
        with suppress(OSError, RecordError):
            changed = tuple(_changed_at(self._store.path(name)) for name in (JOBS, REQUESTS))
            return (*changed, next(iter(self._store.run_ids()), ""), read_reboot_need().view.required)
        return None


def _changed_at(path: str) -> int:
    return os.stat(path).st_mtime_ns if os.path.exists(path) else 0


class _ExporterProcess:
    """The process of one exporter, while there is one."""

    def __init__(self, name: ExporterName, run_dir: str, arguments: Sequence[str], start: Start) -> None:
        self._name = name
        self._run_dir = run_dir
        self._arguments = arguments
        self._start = start
        self._child: AgentProcess | None = None
        self._schedule = ExportSchedule()
        self.due_at: datetime | None = None
        """When it is started next, by the last tick; None while it is off."""

    def tick(self, target: ExportTarget, tick: ExportTick) -> None:
        self._schedule = self._schedule.configured(target.settings)
        if self._is_running(target):
            return
        self.due_at, self._schedule = self._schedule.next(self._export_state(), tick)
        if self.due_at <= tick.now:
            self._schedule = self._schedule.started(tick)
            try:
                self._child = self._start(self._arguments)
            except OSError as error:
                log.event(log.LogEvent.EXPORTER_FAILED, exporter=self._name.value, error=str(error))

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._child is not None and self._child.exit_code() is None

    def turn_off(self) -> None:
        """Kill the process and remove the status file."""
        if self._child is not None:
            self._child.kill()
            self._child = None if self._child.exit_code() is not None else self._child
        if self._child is None:
            clear_exporter_status(self._run_dir, self._name)
            self._schedule, self.due_at = ExportSchedule(), None

    def _is_running(self, target: ExportTarget) -> bool:
        if self._child is None:
            return False
        if self._child.exit_code() is None:
            if self._child.age_s() > 2 * target.timeout.total_seconds() + _GRACE_S:
                log.event(log.LogEvent.EXPORTER_KILLED, exporter=self._name.value, seconds=round(self._child.age_s()))
                self._child.kill()
            return True
        self._child = None
        return False

    def _export_state(self) -> ExportState:
        status = exporter_status_or_none(self._run_dir, self._name)
        return export_state_from_document(status.raw.get("export_state")) if status else ExportState()
