"""What the verbs remember between runs, on top of the store: how fresh the lists are, the last look, the last run."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agent.core.model.facts import SourceError, SourceFault
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan
from agent.core.packages.cves import Fixes, Readings, Subject
from agent.core.ports import Archive, Refreshed
from agent.core.reboot.services import Watched
from agent.errors import HostError, RecordError
from agent.state.documents import (
    AHEAD_SCHEMA,
    CVES_SCHEMA,
    OUTCOME_SCHEMA,
    REFRESH_SCHEMA,
    STATE_SCHEMA,
    outcome_document,
    plan_document,
    watched_parts,
)
from agent.state.json_reader import Reader
from agent.state.store import AHEAD, CVES, REFRESH, STATE, Document, Store
from agent.state.timestamps import moment


class Memory:
    """Typed reading and writing of the agent's own documents."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problem = "" if store.writable() else f"{store.directory}: the record cannot be written there"
        """Why nothing can be remembered; empty where it can."""
        self._readings: Readings | None = None

    def refreshed(self) -> Refreshed:
        """Return what is remembered of fetching the lists; nothing where the record is damaged."""
        reader = self.store.read_or_warn(REFRESH, REFRESH_SCHEMA)
        if reader is None:
            return Refreshed(verified_at=None)
        try:
            return Refreshed(verified_at=reader.maybe_moment("verified_at"), errors=tuple(_errors(reader)))
        except (RecordError, ValueError):
            return Refreshed(verified_at=None)

    def keep_refreshed(self, refreshed: Refreshed, now: datetime) -> None:
        """Remember how fetching the lists went."""
        errors = [{"source": e.source, "fault": e.fault.value, "detail": e.detail} for e in refreshed.errors]
        verified = refreshed.verified_at
        document: Document = {
            "schema": REFRESH_SCHEMA,
            "generated_at": moment(now),
            "verified_at": moment(verified) if verified else None,
            "errors": errors,
        }
        self._write(REFRESH, document)

    def keep_plan(self, plan: Plan, now: datetime, *, fresh_until: datetime, watched: Watched) -> None:
        """Remember a look and its plan, and what runs meanwhile, as what `status` shows."""
        self._write(
            STATE,
            {
                "schema": STATE_SCHEMA,
                "generated_at": moment(now),
                "fresh_until": moment(fresh_until),
                **watched_parts(plan.kernel, watched),
                "plan": plan_document(plan, now, self.readings()),
            },
        )

    def cut_off_run(self) -> Reader | None:
        """Return the newest run's record where that run never came to its end."""
        try:
            newest = next(iter(self.store.run_ids()), None)
            run = self.store.read_run(newest, OUTCOME_SCHEMA) if newest else None
            return None if run is None or run.maybe_text("finished_at") else run
        except RecordError:
            return None

    def complete_run(self, run_id: str, document: Document) -> None:
        """Replace the record of a run that is over."""
        self.store.write_run(run_id, document)

    def shows(self, plan: Plan) -> bool:
        """Whether this plan is still what `status` shows; another job may have looked at the machine since."""
        reader = self.store.read_or_warn(STATE, STATE_SCHEMA)
        shown = reader.maybe_part("plan") if reader is not None else None
        return shown is not None and (shown.text("id"), shown.text("seen_at")) == (plan.id, moment(plan.seen_at))

    def keep_outcome(self, outcome: Outcome, now: datetime) -> None:
        """Remember a run, or that one has begun."""
        self.store.write_run(outcome.id, outcome_document(outcome, now, self.readings()))

    def readings(self) -> Readings:
        """Return what was read of what updates fix; nothing where the record is damaged."""
        if self._readings is None:
            reader = self.store.read_or_warn(CVES, CVES_SCHEMA)
            try:
                self._readings = dict(_readings(reader)) if reader is not None else {}
            except RecordError:
                self._readings = {}
        return self._readings

    def keep_readings(self, readings: Readings, now: datetime) -> None:
        """Remember what was read, in place of all that was remembered of it."""
        self._readings = readings
        found = [_reading_document(subject, fixes) for subject, fixes in readings.items()]
        self._write(CVES, {"schema": CVES_SCHEMA, "generated_at": moment(now), "readings": found})

    def ahead(self) -> tuple[Archive, ...]:
        """Return the archives that were fetched ahead; none where the record is damaged."""
        reader = self.store.read_or_warn(AHEAD, AHEAD_SCHEMA)
        try:
            return tuple(_archives(reader)) if reader is not None else ()
        except RecordError:
            return ()

    def keep_ahead(self, archives: Sequence[Archive], now: datetime) -> None:
        """Remember which archives were, or are about to be, fetched ahead."""
        found = [{"package": a.package, "architecture": a.architecture, "version": a.version} for a in archives]
        self._write(AHEAD, {"schema": AHEAD_SCHEMA, "generated_at": moment(now), "archives": found})

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


def _errors(reader: Reader) -> Iterator[SourceError]:
    for part in reader.parts("errors"):
        fault = SourceFault(part.text("fault"))
        yield SourceError(source=part.text("source"), fault=fault, detail=part.text("detail"))


def _readings(reader: Reader) -> Iterator[tuple[Subject, Fixes | None]]:
    for part in reader.parts("readings"):
        subject = Subject(
            package=part.text("package"),
            architecture=part.text("architecture"),
            installed=part.text("installed"),
            candidate=part.text("candidate"),
        )
        cves = part.maybe_texts("cves")
        if cves is None:
            yield subject, None
        else:
            upload, complete = part.flag("security_upload"), part.flag("complete")
            yield subject, Fixes(cves=tuple(cves), security_upload=upload, complete=complete)


def _reading_document(subject: Subject, fixes: Fixes | None) -> Document:
    return {
        "package": subject.package,
        "architecture": subject.architecture,
        "installed": subject.installed,
        "candidate": subject.candidate,
        "cves": list(fixes.cves) if fixes else None,
        "security_upload": fixes.security_upload if fixes else None,
        "complete": fixes.complete if fixes else None,
    }


def _archives(reader: Reader) -> Iterator[Archive]:
    for part in reader.parts("archives"):
        yield Archive(
            package=part.text("package"), architecture=part.text("architecture"), version=part.text("version")
        )
