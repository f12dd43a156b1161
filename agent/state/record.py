"""What the verbs remember between runs, on top of the store: how fresh the lists are, the last look, the last run."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agent.core.model.facts import SourceError, SourceFault
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.ports import Archive, RefreshResult
from agent.core.reboot.services import ServiceScan
from agent.core.schemas import AHEAD_SCHEMA, CVES_SCHEMA, OUTCOME_SCHEMA, REFRESH_SCHEMA, STATE_SCHEMA, Document
from agent.errors import HostError, RecordError
from agent.state.documents import outcome_document, plan_document, watched_parts
from agent.state.json_reader import JsonReader
from agent.state.store import AHEAD, CVES, REFRESH, STATE, Store
from agent.state.timestamps import format_utc


class Record:
    """Typed reading and writing of the agent's own documents."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problem = "" if store.writable() else f"{store.directory}: the record cannot be written there"
        """Why nothing can be remembered; empty where it can."""
        self._readings: Findings | None = None

    def load_refresh(self) -> RefreshResult:
        """Return what is remembered of fetching the lists; nothing where the record is damaged."""
        reader = self.store.read_or_warn(REFRESH, REFRESH_SCHEMA)
        if reader is None:
            return RefreshResult(verified_at=None)
        try:
            return RefreshResult(verified_at=reader.optional_time("verified_at"), errors=tuple(_errors(reader)))
        except (RecordError, ValueError):
            return RefreshResult(verified_at=None)

    def save_refresh(self, refreshed: RefreshResult, now: datetime) -> None:
        """Remember how fetching the lists went."""
        errors = [{"source": e.source, "fault": e.fault.value, "detail": e.detail} for e in refreshed.errors]
        verified = refreshed.verified_at
        document: Document = {
            "schema": REFRESH_SCHEMA,
            "generated_at": format_utc(now),
            "verified_at": format_utc(verified) if verified else None,
            "errors": errors,
        }
        self._write(REFRESH, document)

    def save_plan(self, plan: Plan, now: datetime, *, fresh_until: datetime, watched: ServiceScan) -> None:
        """Remember a look and its plan, and what runs meanwhile, as what `status` shows."""
        self._write(
            STATE,
            {
                "schema": STATE_SCHEMA,
                "generated_at": format_utc(now),
                "fresh_until": format_utc(fresh_until),
                **watched_parts(plan.kernel, watched),
                "plan": plan_document(plan, now, self.findings()),
            },
        )

    def interrupted_run(self) -> JsonReader | None:
        """Return the newest run's record where that run never came to its end."""
        try:
            newest = next(iter(self.store.run_ids()), None)
            run = self.store.read_run(newest, OUTCOME_SCHEMA) if newest else None
            return None if run is None or run.optional_text("finished_at") else run
        except RecordError:
            return None

    def complete_run(self, run_id: str, document: Document) -> None:
        """Replace the record of a run that is over."""
        self.store.write_run(run_id, document)

    def is_current_plan(self, plan: Plan) -> bool:
        """Whether this plan is still what `status` shows; another job may have looked at the machine since."""
        reader = self.store.read_or_warn(STATE, STATE_SCHEMA)
        shown = reader.optional_child("plan") if reader is not None else None
        return shown is not None and (shown.text("id"), shown.text("seen_at")) == (plan.id, format_utc(plan.seen_at))

    def save_outcome(self, outcome: Outcome, now: datetime) -> None:
        """Remember a run, or that one has begun."""
        self.store.write_run(outcome.id, outcome_document(outcome, now, self.findings()))

    def findings(self) -> Findings:
        """Return what was read of what updates fix; nothing where the record is damaged."""
        if self._readings is None:
            reader = self.store.read_or_warn(CVES, CVES_SCHEMA)
            try:
                self._readings = dict(_readings(reader)) if reader is not None else {}
            except RecordError:
                self._readings = {}
        return self._readings

    def save_findings(self, readings: Findings, now: datetime) -> None:
        """Remember what was read, in place of all that was remembered of it."""
        self._readings = readings
        found = [_reading_document(subject, fixes) for subject, fixes in readings.items()]
        self._write(CVES, {"schema": CVES_SCHEMA, "generated_at": format_utc(now), "readings": found})

    def prefetched(self) -> tuple[Archive, ...]:
        """Return the archives that were fetched ahead; none where the record is damaged."""
        reader = self.store.read_or_warn(AHEAD, AHEAD_SCHEMA)
        try:
            return tuple(_archives(reader)) if reader is not None else ()
        except RecordError:
            return ()

    def save_prefetched(self, archives: Sequence[Archive], now: datetime) -> None:
        """Remember which archives were, or are about to be, fetched ahead."""
        found = [{"package": a.package, "architecture": a.architecture, "version": a.version} for a in archives]
        self._write(AHEAD, {"schema": AHEAD_SCHEMA, "generated_at": format_utc(now), "archives": found})

    def _write(self, name: str, document: Document) -> None:
        """Write what a look would like to leave; that it cannot must not hide what was seen."""
        if not self.problem:
            try:
                self.store.write(name, document)
            except HostError as error:
                self.problem = str(error)

    def new_run_id(self, now: datetime) -> str:
        """Return an id for a run that begins now; ids sort by time."""
        newest = next(iter(self.store.run_ids()), "")
        # A clock that once was ahead left an id that this one must still sort behind.
        base = max(f"{now:%Y%m%dT%H%M%SZ}", newest.partition("-")[0])
        return base if newest < base else f"{base}-{int(newest.partition('-')[2] or 1) + 1:03}"


def _errors(reader: JsonReader) -> Iterator[SourceError]:
    for part in reader.children("errors"):
        fault = SourceFault(part.text("fault"))
        yield SourceError(source=part.text("source"), fault=fault, detail=part.text("detail"))


def _readings(reader: JsonReader) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
    for part in reader.children("readings"):
        subject = VersionChange(
            package=part.text("package"),
            architecture=part.text("architecture"),
            installed=part.text("installed"),
            candidate=part.text("candidate"),
        )
        cves = part.optional_texts("cves")
        if cves is None:
            yield subject, None
        else:
            upload, complete = part.boolean("security_upload"), part.boolean("complete")
            yield subject, ChangelogFindings(cves=tuple(cves), security_upload=upload, complete=complete)


def _reading_document(subject: VersionChange, fixes: ChangelogFindings | None) -> Document:
    return {
        "package": subject.package,
        "architecture": subject.architecture,
        "installed": subject.installed,
        "candidate": subject.candidate,
        "cves": list(fixes.cves) if fixes else None,
        "security_upload": fixes.security_upload if fixes else None,
        "complete": fixes.complete if fixes else None,
    }


def _archives(reader: JsonReader) -> Iterator[Archive]:
    for part in reader.children("archives"):
        yield Archive(
            package=part.text("package"), architecture=part.text("architecture"), version=part.text("version")
        )
