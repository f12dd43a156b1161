"""The record as values, on top of the store: package lists, the last check, runs, changelog findings, archives."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from agent.core.exposure import NO_EXPOSURE, Exposure
from agent.core.frozen import frozen
from agent.core.model.engine_outcome import EngineOutcome, EngineResult
from agent.core.model.engine_plan import Block, Component, HeldFix
from agent.core.model.facts import Reboot, Unseen
from agent.core.model.outcome import NOTHING_UNDERWAY, Outcome
from agent.core.model.plan import Plan
from agent.core.model.release import ReleaseSupport
from agent.core.packages.cves import Findings
from agent.core.packages.plan_difference import PlannedWork, with_newest, work_of
from agent.core.ports import Archive, RefreshResult
from agent.core.reboot.services import ServiceScan
from agent.core.run_ids import next_run_id
from agent.core.schemas import (
    AHEAD_SCHEMA,
    CVES_SCHEMA,
    ENGINE_OUTCOME_SCHEMA,
    EXPOSURE_SCHEMA,
    OUTCOME_SCHEMA,
    PLANS_SCHEMA,
    REFRESH_SCHEMA,
    STATE_SCHEMA,
    Document,
)
from agent.errors import HostError, RecordError
from agent.state.documents.caches import (
    archives_from_document,
    archives_to_document,
    findings_from_document,
    findings_to_document,
    refresh_from_document,
    refresh_to_document,
)
from agent.state.documents.engine_outcome import engine_outcome_from_document, engine_outcome_to_document
from agent.state.documents.engine_plan import held_fixes_from_document
from agent.state.documents.exposure import exposure_from_document, exposure_summary, exposure_to_document
from agent.state.documents.outcome import outcome_from_document, outcome_to_document
from agent.state.documents.parts import reboot_to_document
from agent.state.documents.plan import scan_to_document, state_to_document
from agent.state.documents.plans import plans_from_document, plans_to_document
from agent.state.documents.release import release_to_document
from agent.state.store import AHEAD, CVES, ENGINE_OUTCOMES, EXPOSURE, PLANS, REFRESH, SNAPSHOTS, STATE, Store
from agent.state.timestamps import format_utc
from agent.state.views import StateView


@frozen
class RecordedRun:
    """A run as its document holds it."""

    outcome: Outcome
    findings: Findings
    generated_at: datetime


class Record:
    """Typed reading and writing of the agent's own documents."""

    def __init__(self, store: Store, write_error: str = "") -> None:
        self.store = store
        self.write_error = write_error
        """Why a document could not be written; empty if all could."""
        self._findings: Findings | None = None

    @property
    def writable(self) -> bool:
        """Whether every document could be written so far."""
        return not self.write_error

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

    def save_plan(
        self,
        plan: Plan,
        now: datetime,
        *,
        fresh_until: datetime,
        scan: ServiceScan,
        exposure: Exposure = NO_EXPOSURE,
        engines: Mapping[str, Document | None] | None = None,
        release: ReleaseSupport | None = None,
        soak: Document | None = None,
    ) -> None:
        """Record a check, its plan, the engines by component, and what ran meanwhile: `status` shows them."""
        document = state_to_document(
            plan, now, fresh_until=fresh_until, scan=scan, findings=self.findings(), engines=engines
        )
        shown = release_to_document(release) if release is not None else None
        added = {"exposure": exposure_summary(exposure), "release": shown, "soak": soak}
        self._write(STATE, {**document, **added})

    def last_plans(self) -> tuple[PlannedWork, ...]:
        """Return the work of the last plans, newest first; empty if the document is damaged."""
        reader = self.store.read_or_warn(PLANS, PLANS_SCHEMA)
        try:
            return plans_from_document(reader) if reader else ()
        except RecordError:
            return ()

    def keep_plan(self, plan: Plan, now: datetime) -> None:
        """Record the work of a plan that was shown, so that a later request for its id can be compared with it."""
        kept, newest = self.last_plans(), work_of(plan)
        if not kept or kept[0].id != newest.id:
            self._write(PLANS, plans_to_document(with_newest(kept, newest), now))

    def interrupted_run(self) -> RecordedRun | None:
        """Return the newest run of packages if it has no end on record or left work underway; None: or unreadable."""
        with suppress(RecordError):
            run = self.package_run(self.store.newest_run(OUTCOME_SCHEMA)[0])
            if run is not None and (run.outcome.finished_at is None or run.outcome.underway != NOTHING_UNDERWAY):
                return run
        return None

    def package_run(self, run_id: str) -> RecordedRun | None:
        """Return a run of packages; None if it is not on record, is not the run of its file, or cannot be read."""
        with suppress(RecordError):
            run = self.store.read_run(run_id)
            if run is not None and (run.text("schema"), run.text("id")) == (OUTCOME_SCHEMA, run_id):
                outcome, findings = outcome_from_document(run)
                return RecordedRun(outcome=outcome, findings=findings, generated_at=run.time("generated_at"))
        return None

    def replace_run(self, run: RecordedRun) -> None:
        """Replace the document of a run.

        Raises:
            HostError: it cannot be written.
        """
        self.store.write_run(run.outcome.id, outcome_to_document(run.outcome, run.generated_at, run.findings))

    def is_current_plan(self, plan: Plan) -> bool:
        """Return whether this plan is the recorded one; another job may have checked since."""
        reader = self.store.read_or_warn(STATE, STATE_SCHEMA)
        shown = reader.optional_child("plan") if reader is not None else None
        return shown is not None and (shown.text("id"), shown.text("seen_at")) == (plan.id, format_utc(plan.seen_at))

    def held_fixes(self) -> tuple[HeldFix, ...]:
        """Return the fixes of the container runtime that the last check held back; empty if that is not known."""
        reader = self.store.read_or_warn(STATE, STATE_SCHEMA)
        try:
            docker = reader.optional_child("docker") if reader else None
            return held_fixes_from_document(docker) if docker else ()
        except RecordError:
            return ()

    def save_outcome(self, outcome: Outcome, now: datetime) -> None:
        """Record a run's outcome so far.

        Raises:
            HostError: it cannot be written.
        """
        self.store.write_run(outcome.id, outcome_to_document(outcome, now, self.findings()))

    def save_engine_outcome(self, outcome: EngineOutcome, now: datetime, sentence: Callable[[Block], str]) -> None:
        """Record the outcome so far of a run that upgrades Docker or Weave: in the history, and as the last one.

        `sentence` gives the text of a block for people.

        Raises:
            HostError: it cannot be written.
        """
        document = engine_outcome_to_document(outcome, now, sentence)
        self.store.write(ENGINE_OUTCOMES[outcome.component.value], document)
        self.store.write_run(outcome.id, document)

    def failed_engine_run(self, component: Component) -> str:
        """Return the id of the last run of a component if that failed and needs attention; empty otherwise."""
        last = self.last_engine_run(component)
        return last.id if last is not None and last.result is EngineResult.FAILED_NEEDS_ATTENTION else ""

    def engine_run(self, run_id: str) -> EngineOutcome | None:
        """Return the outcome of a run that upgrades Docker or Weave; None if it is not on record or is damaged."""
        try:
            run = self.store.read_run(run_id)
            is_engine = run is not None and run.text("schema") == ENGINE_OUTCOME_SCHEMA
            return engine_outcome_from_document(run) if run is not None and is_engine else None
        except RecordError:
            return None

    def last_engine_run(self, component: Component) -> EngineOutcome | None:
        """Return the outcome of the last run that upgrades a component; None as of `engine_run`."""
        found = self.store.read_or_warn(ENGINE_OUTCOMES[component.value], ENGINE_OUTCOME_SCHEMA)
        try:
            return engine_outcome_from_document(found) if found is not None else None
        except RecordError:
            return None

    def save_engines(self, engines: Mapping[str, Document | None]) -> None:
        """Replace Docker and Weave in the last check, if there was one; a failure is kept, as of a check."""
        found = self.store.read_or_warn(STATE, STATE_SCHEMA)
        if found is not None:
            self._write(STATE, {**found.raw, **engines})

    def reboot_required_since(self, boot_id: str | None) -> datetime | None:
        """Return since when a reboot was required at the last check; None if that was in another boot, or none was."""
        reader = self.store.read_or_warn(STATE, STATE_SCHEMA)
        try:
            state = StateView(reader) if reader else None
        except RecordError:
            return None
        return state.reboot_required_since(boot_id) if state else None

    def save_services(self, scan: ServiceScan, exposure: Exposure, reboot: Reboot | Unseen, now: datetime) -> None:
        """Replace the services, the inactive fixes and the required reboot in the last check, if there was one.

        The scan may be of a later boot than the check. A failure is kept, as of a check.
        """
        found = self.store.read_or_warn(STATE, STATE_SCHEMA)
        if found is not None:
            seen = {**scan_to_document(scan), "exposure": exposure_summary(exposure), "services_at": format_utc(now)}
            plan = found.raw.get("plan")
            newer = {**plan, "reboot": reboot_to_document(reboot)} if isinstance(plan, Mapping) else plan
            self._write(STATE, {**found.raw, **seen, "plan": newer})

    def exposure(self) -> Exposure:
        """Return the exposure clock; empty if the document is damaged."""
        reader = self.store.read_or_warn(EXPOSURE, EXPOSURE_SCHEMA)
        try:
            return exposure_from_document(reader) if reader else NO_EXPOSURE
        except RecordError:
            return NO_EXPOSURE

    def save_exposure(self, exposure: Exposure, now: datetime) -> None:
        """Record the exposure clock."""
        self._write(EXPOSURE, exposure_to_document(exposure, now))

    def findings(self) -> Findings:
        """Return the changelog findings; empty if the document is damaged."""
        if self._findings is None:
            reader = self.store.read_or_warn(CVES, CVES_SCHEMA)
            try:
                self._findings = findings_from_document(reader) if reader else {}
            except RecordError:
                self._findings = {}
        return self._findings

    def save_findings(self, findings: Findings, now: datetime) -> None:
        """Replace the changelog findings."""
        self._findings = findings
        self._write(CVES, findings_to_document(findings, now))

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

    def has_unfinished(self, component: Component) -> bool:
        """Whether a change of Docker or Weave has not ended, or failed, so that the next run has to look at it."""
        return self.store.has(SNAPSHOTS[component.value])

    def _write(self, name: str, document: Document) -> None:
        """Write a document of a check: a failure is kept in `write_error`, because the plan is still valid."""
        if self.writable:
            try:
                self.store.write(name, document)
            except HostError as error:
                self.write_error = str(error)

    def new_run_id(self, now: datetime) -> str:
        """Return the id of a run that starts now; ids sort by time."""
        return next_run_id(next(iter(self.store.run_ids()), ""), now)


class ReadOnlyRecord(Record):
    """The record of a process that may not write, as of an ordinary user, or is not to, as a dry run."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, f"{store.directory}: the record cannot be written there")

    def _write(self, name: str, document: Document) -> None:
        """Write nothing."""


def open_record(store: Store) -> Record:
    """Return the record on a store: read-only if this process may not write there."""
    return Record(store) if store.writable() else ReadOnlyRecord(store)
