"""What the verbs remember between runs, on top of the store: how fresh the lists are, the last look, the last run."""

from collections.abc import Sequence
from datetime import datetime

from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan
from agent.core.packages.cves import Findings
from agent.core.ports import Archive, RefreshResult
from agent.core.reboot.services import ServiceScan
from agent.core.schemas import AHEAD_SCHEMA, CVES_SCHEMA, OUTCOME_SCHEMA, REFRESH_SCHEMA, STATE_SCHEMA, Document
from agent.errors import HostError, RecordError
from agent.state.documents.caches import (
    archives_from_document,
    archives_to_document,
    findings_from_document,
    findings_to_document,
    refresh_from_document,
    refresh_to_document,
)
from agent.state.documents.outcome import outcome_to_document
from agent.state.documents.plan import state_to_document
from agent.state.json_reader import JsonReader
from agent.state.store import AHEAD, CVES, REFRESH, STATE, Store
from agent.state.timestamps import format_utc


class Record:
    """Typed reading and writing of the agent's own documents."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problem = "" if store.writable() else f"{store.directory}: the record cannot be written there"
        """Why nothing can be remembered; empty where it can."""
        self._findings: Findings | None = None

    def load_refresh(self) -> RefreshResult:
        """Return the result of the last refresh of the package lists; empty if the document is damaged."""
        reader = self.store.read_or_warn(REFRESH, REFRESH_SCHEMA)
        try:
            return refresh_from_document(reader) if reader else RefreshResult(verified_at=None)
        except RecordError:
            return RefreshResult(verified_at=None)

    def save_refresh(self, refreshed: RefreshResult, now: datetime) -> None:
        """Record the result of a refresh of the package lists."""
        self._write(REFRESH, refresh_to_document(refreshed, now))

    def save_plan(self, plan: Plan, now: datetime, *, fresh_until: datetime, watched: ServiceScan) -> None:
        """Record a check, its plan, and what ran meanwhile: `status` shows them."""
        document = state_to_document(plan, now, fresh_until=fresh_until, scan=watched, readings=self.findings())
        self._write(STATE, document)

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
        self.store.write_run(outcome.id, outcome_to_document(outcome, now, self.findings()))

    def findings(self) -> Findings:
        """Return the changelog findings; empty if the document is damaged."""
        if self._findings is None:
            reader = self.store.read_or_warn(CVES, CVES_SCHEMA)
            try:
                self._findings = findings_from_document(reader) if reader else {}
            except RecordError:
                self._findings = {}
        return self._findings

    def save_findings(self, readings: Findings, now: datetime) -> None:
        """Replace the changelog findings."""
        self._findings = readings
        self._write(CVES, findings_to_document(readings, now))

    def prefetched(self) -> tuple[Archive, ...]:
        """Return the prefetched archives; empty if the document is damaged."""
        reader = self.store.read_or_warn(AHEAD, AHEAD_SCHEMA)
        try:
            return archives_from_document(reader) if reader else ()
        except RecordError:
            return ()

    def save_prefetched(self, archives: Sequence[Archive], now: datetime) -> None:
        """Record which archives are prefetched, before and after the download."""
        self._write(AHEAD, archives_to_document(archives, now))

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
