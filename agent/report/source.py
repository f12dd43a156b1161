"""What there is to tell, whoever is told: the report of this moment, and the events that one was not told yet."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from agent.core.schedule.exports import ExportState
from agent.core.schemas import OUTCOME_SCHEMA, Document
from agent.errors import RecordError
from agent.host.machine.facts import booted_at, host_facts
from agent.host.reboot.flag import read_flag
from agent.report.document import NO_INSTANCE, report_document
from agent.report.events import DaemonStart, Snapshot, initial_cursor, new_events, unseen_runs
from agent.report.export_state import export_state_from_document
from agent.report.outbox.outbox import Outbox, OutboxStats
from agent.report.outbox.stream_state import StreamState, stream_state_from_document
from agent.report.status.collect import collect_status
from agent.report.status.document import build_status, status_document
from agent.state.daemon_status import read_daemon_status
from agent.state.exporter_status import (
    CLOCK_SKEW_TOLERANCE,
    ExporterName,
    exporter_status_or_none,
    read_exporter_status,
    status_entry,
)
from agent.state.job_status import read_job_status
from agent.state.store import Store
from agent.state.timestamps import format_utc, minus_clamped, parse_utc_or_none
from agent.version import VERSION

_RUNS = 10
"""How many runs are read at a time: each may be as long as a machine has packages."""


class ReportSource:
    """What this machine has to tell."""

    def __init__(self, store: Store, run_dir: str) -> None:
        """Take where to look; looks at nothing yet."""
        self._store = store
        self._run_dir = run_dir

    def shown(self) -> Document:
        """Return `maestro.report/1` as it would go out, without the outbox, which others must not look into."""
        return self.report(self.instance() or NO_INSTANCE, None, None)

    def numbers(self) -> Document:
        """Return `maestro.report/1` for who wants its numbers: of the outbox what its own sender said last."""
        centre = self.entry(ExporterName.ENDPOINT)
        return self.report(self.instance() or NO_INSTANCE, _depth(centre), centre)

    def report(
        self,
        instance_id: str,
        outbox: OutboxStats | None,
        centre: object,
        known_boot: datetime | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Document:
        """Return `maestro.report/1`; `centre` is what is remembered of the centre, `warnings` are words to add."""
        status = status_document(build_status(collect_status(self._store, self._run_dir), _now()))

        return report_document(
            status,
            host_facts(known_boot),
            version=VERSION,
            instance_id=instance_id,
            outbox=outbox,
            warnings=(*warnings, *_skew_warnings(centre)),
        )

    def enqueue_new_events(self, outbox: Outbox, reach: timedelta) -> None:
        """Queue the events that are not in the outbox yet; events and cursor are written in one transaction.

        A new outbox gets the events of the last `reach`.
        """
        seen = self._seen()
        state = outbox.state
        if state.cursor is None:
            since = None if state.start_reason == "other-host" else minus_clamped(seen.now, reach)
            cursor = initial_cursor(seen, since)
        else:
            cursor = dict(state.cursor)
        new = unseen_runs(cursor, seen.runs)
        known = sorted(set(seen.runs).difference(new))
        # A few runs at a time: each may list every package of the machine.
        for first in range(0, max(len(new), 1), _RUNS):
            part = replace(seen, runs=[*known, *new[: first + _RUNS]])
            events, cursor = new_events(cursor, part)
            with outbox.transaction() as tx:
                for event in events:
                    tx.add(event.kind, event.at, event.document, seen.now)
                tx.state = replace(tx.state, cursor=cursor)
                tx.enforce_limits(seen.now)

    def entry(self, listener: ExporterName) -> Mapping[str, object]:
        """Return what was last said of a listener; empty where nothing is known."""
        try:
            return status_entry(read_exporter_status(self._run_dir, listener), listener)
        except RecordError:
            return {}

    def pulse(self, listener: ExporterName) -> ExportState:
        """Return the pulse that was last said of a listener."""
        telling = exporter_status_or_none(self._run_dir, listener)
        return export_state_from_document(telling.raw.get("pulse")) if telling else ExportState()

    def stream_state(self) -> StreamState:
        """Return the state that the endpoint's exporter could not write to its outbox; the default if there is none."""
        found = exporter_status_or_none(self._run_dir, ExporterName.ENDPOINT)
        return stream_state_from_document(found.raw.get("stream_state") if found else None)

    def instance(self) -> str | None:
        """Return the name of the centre's outbox as its sender said it last."""
        try:
            telling = read_exporter_status(self._run_dir, ExporterName.ENDPOINT)
            return telling.optional_text("instance_id") if telling else None
        except RecordError:
            return None

    def _seen(self) -> Snapshot:
        flag, flag_known = None, True
        try:
            flag = read_flag()
        except OSError:  # `status` tells of that
            flag_known = False
        facts = host_facts()
        return Snapshot(
            now=_now(),
            runs=self._runs(),
            read_run=self._read_run,
            jobs=self._jobs(),
            reboot=(flag[0], datetime.fromtimestamp(flag[1], timezone.utc)) if flag else None,
            reboot_known=flag_known,
            boot_id=facts.boot_id,
            booted_at=booted_at(),
            kernel=facts.kernel,
            daemon=self._daemon(),
        )

    def _runs(self) -> list[str]:
        try:
            return self._store.run_ids()
        except RecordError:  # `status` tells of that
            return []

    def _read_run(self, run_id: str) -> Mapping[str, object] | None:
        try:
            run = self._store.read_run(run_id, OUTCOME_SCHEMA)
        except RecordError:
            return None
        return run.raw if run else None

    def _jobs(self) -> dict[str, Mapping[str, object]]:
        try:
            document = read_job_status(self._store)
            jobs = document.child("jobs") if document else None
            names = jobs.raw if jobs else {}
            return {name: jobs.child(name).raw for name in names} if jobs else {}
        except RecordError:
            return {}

    def _daemon(self) -> DaemonStart | None:
        try:
            found = read_daemon_status(self._run_dir)
            return DaemonStart(version=found[1].text("version"), at=found[1].text("started_at")) if found else None
        except RecordError:
            return None


def boot_time_of(mark: object) -> datetime | None:
    """Return when the machine booted as it was told before: a clock that is set would seem to move it."""
    return parse_utc_or_none(mark.get("booted_at")) if isinstance(mark, dict) else None


def status_after_attempt(before: Mapping[str, object], why: str) -> Document:
    """Return what is remembered of a listener after one more try; `why` is empty where it was told."""
    now = format_utc(_now())
    return {
        "last_success_at": before.get("last_success_at") if why else now,
        "failing_since": (before.get("failing_since") or now) if why else None,
        "why": why,
    }


def jitter() -> float:
    """Draw a lot, uniform from 0 up to 1: how long to wait, within what is due."""
    return random.random()  # noqa: S311 - no secret


def _depth(centre: Mapping[str, object]) -> OutboxStats | None:
    """Return how the outbox stood when its sender last spoke; None where that is not known."""
    counts = [centre.get(name) for name in ("depth", "bytes", "dropped", "refused", "last_sequence")]
    events, size, dropped, refused, last = (count if isinstance(count, int) else None for count in counts)
    oldest = centre.get("oldest_at")
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


def _skew_warnings(centre: object) -> tuple[str, ...]:
    """Say so where the clocks are apart, roughly: a report is new where its words are."""
    skew = centre.get("skew_s") if isinstance(centre, Mapping) else None
    if not isinstance(skew, int) or abs(skew) <= CLOCK_SKEW_TOLERANCE.total_seconds():
        return ()
    bounds = ((86400, "a day"), (3600, "an hour"), (300, "five minutes"), (30, "half a minute"))
    words = next(words for seconds, words in bounds if abs(skew) > seconds)
    return (f"the clock is more than {words} {'ahead of' if skew > 0 else 'behind'} the centre's",)


def _now() -> datetime:
    return datetime.now(timezone.utc)
