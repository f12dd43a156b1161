"""Has the listeners told: knows when it is time, and starts the processes that do it. The daemon itself sends nothing.

Level-triggered as the rest of the daemon: it compares the record with what it last had told, and reads when a sender
wants to go next. What is sent, and whether it arrived, is the sender's business
(`agent.report.endpoint.exporter`, `agent.report.prometheus.exporter`, `agent.report.otlp.exporter`).
Each listener has a sender of its own, so that a slow one holds up no other.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from agent.core.policy.policy import Policy
from agent.core.schedule.exports import ExportState, next_export_at
from agent.core.schedule.slots import Interval, stable_fraction
from agent.errors import RecordError
from agent.host import log
from agent.host.process.spawn import AgentProcess
from agent.host.reboot.flag import read_flag
from agent.report.export_state import export_state_from_document
from agent.report.targets import ExportTarget, enabled_targets
from agent.state.exporter_status import ExporterName, clear_exporter_status, exporter_status_or_none
from agent.state.job_lock import worker_pid
from agent.state.job_status import JOBS
from agent.state.store import Store

_GRACE_S = 60.0
"""What a sender may take beyond twice the time for one request."""
_SECOND = timedelta(seconds=1)
"""Moments are kept to the second."""
_PURPOSE = {ExporterName.ENDPOINT: "report", ExporterName.PROMETHEUS: "textfile", ExporterName.OTLP: "otlp"}
"""What a machine's slots are drawn by: the senders of one machine do not all run at the same moment."""
Start = Callable[[Sequence[str]], AgentProcess]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one look goes by."""

    machine: str
    now: datetime
    up_since: datetime
    seen: object
    """Something that differs once there is something new to tell; None while a job writes the record."""


class ExportSupervisor:
    """One sender at a time for each listener."""

    def __init__(self, config: Path | None, store: Store, run_dir: str, start: Start = AgentProcess) -> None:
        """Take what the senders are to go by; starts nothing yet."""
        options = ["--config", str(config)] if config is not None else []
        before, behind = [*options, "--state-dir", store.directory], ["--run-dir", run_dir]
        self._store = store
        self._run_dir = run_dir
        self._senders = {
            name: _ExporterProcess(name, run_dir, [*before, f"export-{name.value}", *behind], start)
            for name in ExporterName
        }

    def look(self, policy: Policy, machine: str, now: datetime, up_since: datetime) -> None:
        """Start the senders for whom it is time, and end those that take too long or have nobody to tell any more."""
        on = {one.listener: one for one in enabled_targets(policy)}
        at = Tick(machine=machine, now=now, up_since=up_since, seen=self._seen() if on else None)
        for listener, sender in self._senders.items():
            if listener in on:
                sender.look(on[listener], at)
            else:
                sender.rest()

    def _seen(self) -> object:
        if worker_pid(self._store.directory) is not None:
            return None
        with suppress(OSError, RecordError):
            jobs = os.stat(self._store.path(JOBS)).st_mtime_ns if os.path.exists(self._store.path(JOBS)) else 0
            return (jobs, next(iter(self._store.run_ids()), ""), read_flag() is not None)
        return None


class _ExporterProcess:
    """The process that tells one listener, while there is one."""

    def __init__(self, listener: ExporterName, run_dir: str, arguments: Sequence[str], start: Start) -> None:
        self._listener = listener
        self._run_dir = run_dir
        self._arguments = arguments
        self._start = start
        self._child: AgentProcess | None = None
        self._by: object = None
        self._anew = False
        """Whether what it went by is no more: then no failure of before is a reason to wait."""
        self._told: object = None
        self._last: datetime | None = None
        """When it was started last: one that says nothing of it is not started again before the next slot."""
        self._set_back: datetime | None = None
        """Since when its last attempt lies in the future, for the clock was set back."""

    def look(self, wanted: ExportTarget, at: Tick) -> None:
        if self._by != wanted.by:
            self._by, self._anew = wanted.by, self._by is not None
        if not self._at_work(wanted) and self._is_time(wanted, at):
            self._begin(at)

    def rest(self) -> None:
        """End it, and take back its word."""
        if self._child is not None:
            self._child.kill()
            self._child = None if self._child.exit_code() is not None else self._child
        if self._child is None:
            clear_exporter_status(self._run_dir, self._listener)
            self._by = self._told = self._last = None

    def _is_time(self, wanted: ExportTarget, at: Tick) -> bool:
        if wanted.local and (self._last is None or self._anew):
            return True
        slots = Interval(interval=wanted.interval, share=stable_fraction(at.machine, _PURPOSE[self._listener]))
        changed = self._told is not None and at.seen is not None and at.seen != self._told
        if next_export_at(slots, self._pulse(at.now), now=at.now, up_since=at.up_since, changed=changed) > at.now:
            self._told = self._told or at.seen
            return False
        return True

    def _begin(self, at: Tick) -> None:
        self._told, self._last, self._anew = at.seen or self._told, at.now, False
        try:
            self._child = self._start(self._arguments)
        except OSError as error:
            log.event(log.LogEvent.EXPORTER_FAILED, listener=self._listener.value, error=str(error))

    def _at_work(self, wanted: ExportTarget) -> bool:
        if self._child is None:
            return False
        if self._child.exit_code() is None:
            if self._child.age_s() > 2 * wanted.patience.total_seconds() + _GRACE_S:
                log.event(
                    log.LogEvent.EXPORTER_KILLED, listener=self._listener.value, seconds=round(self._child.age_s())
                )
                self._child.kill()
            return True
        self._child = None
        return False

    def _pulse(self, now: datetime) -> ExportState:
        telling = exporter_status_or_none(self._run_dir, self._listener)
        pulse = export_state_from_document(telling.raw.get("pulse")) if telling else ExportState()
        if self._last is not None and self._last <= now and (pulse.last is None or pulse.last < self._last - _SECOND):
            pulse = replace(pulse, last=self._last)
        if pulse.last is None or pulse.last <= now:
            self._set_back = None
        else:  # it is not waited for until the clock is there again
            self._set_back = min(self._set_back or now, now)
            pulse = replace(pulse, last=self._set_back)
        return ExportState(last=pulse.last) if self._anew else pulse
