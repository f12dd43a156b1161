"""Source of every exported report: made of the record and the machine as they are now."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from agent.core.clock import ENDPOINT_SKEW_TOLERANCE
from agent.core.exporters import ExporterName
from agent.core.frozen import field, frozen
from agent.core.schedule.exports import ExportState
from agent.core.schemas import Document
from agent.errors import RecordError
from agent.host.machine.facts import host_facts
from agent.report.document import NO_INSTANCE, report_document
from agent.report.export_state import export_state_from_document
from agent.report.heartbeat_lease import HeartbeatLease, lease_from_document
from agent.report.outbox.stats import OutboxStats
from agent.report.outbox.stream_state import StreamState, stream_state_from_document
from agent.report.recent_status import RecentStatus, collected
from agent.report.settings import ReportedSettings
from agent.state.exporter_status import exporter_status_or_none, status_entry, status_version
from agent.state.file_version import FileVersion
from agent.state.store import Store
from agent.state.timestamps import parse_utc_or_none
from agent.version import VERSION


@frozen
class ExporterStatus:
    """What an exporter's status file holds; the defaults where it is missing or malformed."""

    entry: Mapping[str, object] = field(default_factory=dict)
    export_state: ExportState = field(default_factory=ExportState)
    instance_id: str | None = None
    kept_state: StreamState = field(default_factory=StreamState)
    lease: HeartbeatLease | None = None
    version: FileVersion | None = None
    """Of the file, from before it was read; None without one."""


class ReportSource:
    """Reads reports from the state directory and the machine."""

    def __init__(
        self, store: Store, run_dir: str, settings: ReportedSettings | None = None, recent: RecentStatus | None = None
    ) -> None:
        """Take where to read, the settings to report, and a status to share; reads nothing yet."""
        self._settings = settings
        self._run_dir = run_dir
        self._status = recent.document if recent else partial(collected, store, run_dir)

    def preview(self) -> Document:
        """Return `maestro.report/1` as the endpoint would get it, but without `outbox`: others may not open that."""
        return self.report(self._instance_id(), None, {})

    def metrics_report(self) -> Document:
        """Return `maestro.report/1` for metrics, with `outbox` as in the endpoint exporter's status file."""
        found = self.exporter_status(ExporterName.ENDPOINT)
        return self.report(found.instance_id or NO_INSTANCE, _queue_stats(found.entry), found.entry)

    def leased_report(self, lease: HeartbeatLease, last_attempt: Mapping[str, object]) -> Document:
        """Return `maestro.report/1` as the endpoint's exporter makes it of an outbox in which nothing is queued."""
        known_boot = parse_utc_or_none(lease.booted_at)
        return self.report(lease.instance_id, _queue_stats(last_attempt), last_attempt, known_boot)

    def report(
        self,
        instance_id: str,
        outbox: OutboxStats | None,
        last_attempt: Mapping[str, object],
        known_boot: datetime | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Document:
        """Return `maestro.report/1` with these warnings, and one for the clock skew in `last_attempt`."""
        return report_document(
            self._status(),
            host_facts(known_boot),
            version=VERSION,
            instance_id=instance_id,
            settings=self._settings,
            outbox=outbox,
            warnings=(*warnings, *_skew_warnings(last_attempt)),
        )

    def exporter_status(self, exporter: ExporterName) -> ExporterStatus:
        """Return what the exporter's last run left in its status file."""
        version = status_version(self._run_dir, exporter)
        found = exporter_status_or_none(self._run_dir, exporter)
        if found is None:
            return ExporterStatus(version=version)
        try:
            entry = status_entry(found, exporter)
        except RecordError:
            entry = {}
        instance_id = found.raw.get("instance_id")
        return ExporterStatus(
            entry=entry,
            export_state=export_state_from_document(found.raw.get("export_state")),
            instance_id=instance_id if isinstance(instance_id, str) else None,
            kept_state=stream_state_from_document(found.raw.get("stream_state")),
            lease=lease_from_document(found.raw.get("heartbeats")),
            version=version,
        )

    def is_newest(self, exporter: ExporterName, status: ExporterStatus) -> bool:
        """Return whether nobody has written the exporter's status file since it was read."""
        return status_version(self._run_dir, exporter) == status.version

    def _instance_id(self) -> str:
        return self.exporter_status(ExporterName.ENDPOINT).instance_id or NO_INSTANCE


def boot_time_of(cursor: Mapping[str, object] | None) -> datetime | None:
    """Return the boot time as it was exported before: when the clock is set, the computed one moves."""
    return parse_utc_or_none(cursor.get("booted_at")) if cursor else None


def _queue_stats(entry: Mapping[str, object]) -> OutboxStats | None:
    """Return the queue's figures from the endpoint exporter's entry; None where they are unknown."""
    counts = [entry.get(name) for name in ("depth", "bytes", "dropped", "refused", "last_sequence")]
    events, size, dropped, refused, last = (count if isinstance(count, int) else None for count in counts)
    oldest = entry.get("oldest_at")
    if events is None or size is None or dropped is None or refused is None or last is None:
        return None
    return OutboxStats(
        events=events,
        size=size,
        oldest_at=oldest if isinstance(oldest, str) else None,
        dropped=dropped,
        refused=refused,
        last_sequence=last,
    )


def _skew_warnings(entry: Mapping[str, object]) -> tuple[str, ...]:
    """Return a warning where the clocks differ, by magnitude only: a changed text makes the report new."""
    skew = entry.get("skew_s")
    if not isinstance(skew, int) or abs(skew) <= ENDPOINT_SKEW_TOLERANCE.total_seconds():
        return ()
    bounds = ((86400, "a day"), (3600, "an hour"), (300, "five minutes"), (30, "half a minute"))
    words = next(words for seconds, words in bounds if abs(skew) > seconds)
    return (f"the clock is more than {words} {'ahead of' if skew > 0 else 'behind'} the endpoint's",)
