"""Runs one exporter: owns its outbox, its backoff, its status file and its log line.

A short-lived process, started by the daemon or by a person. Safe to kill at any point: the state directory is
authoritative, unsent events stay in the outbox, and receivers know each event by its key.
"""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta

from agent.core.clock import is_future
from agent.core.exporters import ExporterName
from agent.core.frozen import replace
from agent.core.schedule.exports import ExportState
from agent.core.schemas import Document
from agent.errors import HostError
from agent.host.machine.identity import host_id
from agent.report.document import outbox_section
from agent.report.event_source import EventSource
from agent.report.export_result import ExporterLog, ExportResult, state_after
from agent.report.exporter import Carry, ExportContext, Exporter, QueueSettings, carry_nothing
from agent.report.outbox.file import open_outbox
from agent.report.outbox.stream_state import StreamState
from agent.report.settings import ReportedSettings
from agent.report.source import ReportSource
from agent.state.exporter_status import NO_QUEUE, UNKNOWN_QUEUE
from agent.state.store import Store
from agent.state.timestamps import utc_now


class ExporterRun:
    """One run of one exporter."""

    def __init__(
        self,
        name: ExporterName,
        exporter: Exporter,
        store: Store,
        run_dir: str,
        *,
        target: str = "",
        carry: Carry = carry_nothing,
        settings: ReportedSettings | None = None,
        lease_holder: str = "",
    ) -> None:
        """Take what to run, where it sends to, and what carries requests to the worker; reads nothing yet."""
        self._carry = carry
        self._lease_holder = lease_holder
        self._name = name
        self._exporter = exporter
        self._state_dir = store.directory
        self._log = ExporterLog(name, run_dir, target)
        self._source = ReportSource(store, run_dir, settings)
        self._events = EventSource(store, run_dir)

    def run(self, time_limit: timedelta) -> ExportResult:
        """Send what there is, and record how that went.

        Raises:
            BusyError: another process runs this exporter.
        """
        queue = self._exporter.queue
        if queue is None:
            return self._run_without_outbox(time_limit, NO_QUEUE, "", "")
        directory = os.path.join(self._state_dir, queue.directory)
        try:
            return self._run_with_outbox(time_limit, queue, directory)
        except HostError as error:  # for example a full disk: that above all is to be reported
            return self._run_without_outbox(time_limit, UNKNOWN_QUEUE, directory, str(error))

    def _run_with_outbox(self, time_limit: timedelta, queue: QueueSettings, directory: str) -> ExportResult:
        with open_outbox(directory, host_id(), queue.limits, utc_now()) as outbox:
            self._events.enqueue(outbox, queue.reach)
            before, state_before = self._last_attempt(outbox.state)
            context = ExportContext(
                source=self._source,
                time_limit=time_limit,
                last_attempt=before,
                outbox=outbox,
                state_directory=self._state_dir,
                carry=self._carry,
                lease_holder=self._lease_holder,
            )
            result = self._exporter.run(context)
            attempt, export_state = state_after(before, state_before, result)
            with outbox.transaction() as tx:
                reserved = result.lease.last if result.lease else tx.state.state_sequence
                kept = _durable(attempt, result)
                tx.state = replace(tx.state, last_attempt=kept, export_state=export_state, state_sequence=reserved)
            section = outbox_section(outbox.stats())
            self._log.record(result, before, {**attempt, **section}, export_state, outbox.state.instance_id)
            return result

    def _last_attempt(self, state: StreamState) -> tuple[Mapping[str, object], ExportState]:
        """Return entry and backoff: of the status file, unless this stream's last attempt is later than its."""
        status = self._source.exporter_status(self._name)
        last, known = status.export_state.last, state.export_state.last
        if status.instance_id == state.instance_id and _is_later(last, known, utc_now()):
            return status.entry, status.export_state
        return state.last_attempt or status.entry, state.export_state

    def _run_without_outbox(self, time_limit: timedelta, queue: Document, directory: str, problem: str) -> ExportResult:
        status = self._source.exporter_status(self._name)
        context = ExportContext(
            source=self._source,
            time_limit=time_limit,
            last_attempt=status.entry,
            state_directory=self._state_dir,
            outbox_directory=directory,
            outbox_problem=problem,
            kept_state=status.kept_state,
        )
        result = self._exporter.run(context)
        attempt, export_state = state_after(status.entry, status.export_state, result)
        known = status.entry if problem else {}
        self._log.record(result, status.entry, {**queue, **known, **attempt}, export_state, status.instance_id)
        return result


def _durable(attempt: Document, result: ExportResult) -> Document:
    """Return what may be said of an attempt after a boot, when the status file is gone.

    While all is well, the daemon sends on without writing to the disk: the time of the last success is not known then.
    """
    return {**attempt, "last_success_at": None} if result.lease and not result.why else attempt


def _is_later(last: datetime | None, known: datetime | None, now: datetime) -> bool:
    """Return whether a last attempt is not before a known one. What is ahead is from before the clock was set back."""
    if last is None or known is None or is_future(last, now):
        return False
    return last >= known or is_future(known, now)
