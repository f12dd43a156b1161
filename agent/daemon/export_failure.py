"""Writes an exporter's status file in place of a process that ended without. Imported when one did: no memory else."""

from datetime import datetime

from agent.core.exporters import ExporterName
from agent.core.schedule.backoff import ResponseClass
from agent.report.export_result import ExporterLog, ExportResult, state_after
from agent.report.source import ReportSource
from agent.state.exporter_status import NO_QUEUE, UNKNOWN_QUEUE
from agent.state.store import Store


def record_failure(store: Store, run_dir: str, exporter: ExporterName, target: str, why: str, since: datetime) -> None:
    """Record that the attempt which began `since` sent nothing, and why; the next one is made in the next slot."""
    before = ReportSource(store, run_dir).exporter_status(exporter)
    result = ExportResult(
        response_class=ResponseClass.SERVER_ERROR, why=why, kept_state=before.kept_state, lease=before.lease
    )
    entry, state = state_after(before.entry, before.export_state, result, now=since)
    queue = NO_QUEUE if exporter.local else UNKNOWN_QUEUE
    log = ExporterLog(exporter, run_dir, target)
    log.record(result, before.entry, {**queue, **before.entry, **entry}, state, before.instance_id)
