"""The result of an exporter's run, and its records: backoff, entry in `status`, status file, log line. No SQLite."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from agent.core.exporters import ExporterName
from agent.core.frozen import field, frozen
from agent.core.redact import redact
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.core.schemas import Document
from agent.host import log
from agent.report.export_state import export_state_to_document
from agent.report.heartbeat_lease import HeartbeatLease, lease_to_document
from agent.report.outbox.stream_state import StreamState, sent_part, stream_state_to_document
from agent.state.exporter_status import write_exporter_status
from agent.state.timestamps import format_utc, parse_utc_or_none, utc_now


@frozen
class ExportResult:
    """The result of a run."""

    response_class: ResponseClass = ResponseClass.OK
    summary: str = ""
    """What was sent, for a person."""
    why: str = ""
    """What was not sent, and why; empty if all was sent."""
    detail: str = ""
    """For the log only."""
    retry_after: timedelta | None = None
    """What the other side asked for."""
    burst: tuple[int, int] | None = None
    """Where more is queued than one run may send: messages sent, and the limit per minute. Delays the next run."""
    report_sent: bool = False
    """With a problem: the report arrived all the same, only events did not."""
    notable: bool = False
    """Whether it is logged though it has no problem."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Members of the exporter's entry in `status` beyond the common ones."""
    kept_state: StreamState | None = None
    """For the next run's `kept_state`."""
    lease: HeartbeatLease | None = None
    """For the daemon; its numbers are reserved before the status file has it."""


def state_after(
    before: Mapping[str, object], state: ExportState, result: ExportResult, *, now: datetime | None = None
) -> tuple[Document, ExportState]:
    """Return the entry without its queue, and the backoff, after one more attempt: at `now`, or at this moment."""
    now = now or utc_now()
    chance = random.random()  # noqa: S311 - jitter, no secret
    state = state.after(result.response_class, now=now, chance=chance, retry_after=result.retry_after)
    if result.burst is not None:
        state = state.rate_limited(*result.burst)
    success = result.report_sent or not result.why
    entry = {
        "last_success_at": format_utc(now) if success else _not_ahead(before.get("last_success_at"), now),
        "failing_since": (_not_ahead(before.get("failing_since"), now) or format_utc(now)) if result.why else None,
        "why": result.why,
        **result.fields,
    }
    return entry, state


def _not_ahead(recorded: object, now: datetime) -> str | None:
    """Return a time of the attempts before; now for one from before the clock was set back, None if malformed."""
    known = parse_utc_or_none(recorded)
    return format_utc(min(known, now)) if known else None


class ExporterLog:
    """Where an exporter's runs are recorded: its status file under /run, and the log."""

    def __init__(self, name: ExporterName, run_dir: str, target: str) -> None:
        """Take the exporter, and where it sends to: a URL, a path."""
        self._name = name
        self._run_dir = run_dir
        self._target = redact(target)

    def record(
        self,
        result: ExportResult,
        before: Mapping[str, object],
        entry: Document,
        export_state: ExportState,
        instance_id: str | None,
    ) -> None:
        """Write the status file, read by `status` and by the daemon, and log a result that is new."""
        kept = result.kept_state and sent_part(result.kept_state)
        document = {
            "instance_id": instance_id,
            "export_state": export_state_to_document(export_state),
            "exporters": {self._name.value: {**entry, "target": self._target or None}},
            "stream_state": kept and stream_state_to_document(kept),
            "heartbeats": result.lease and lease_to_document(result.lease),
        }
        write_exporter_status(self._run_dir, self._name, document)
        if result.notable or result.why != before.get("why", ""):
            log.event(
                log.LogEvent.EXPORT_FAILED if result.why else log.LogEvent.EXPORT_DONE,
                exporter=self._name.value,
                sent=result.summary,
                queued=entry.get("depth"),
                problem=result.why or result.detail,
            )
