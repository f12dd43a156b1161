"""What the verbs remember between runs, on top of the store: how fresh the lists are, the last look, the last run."""

from collections.abc import Iterator
from datetime import datetime

from agent.core.model import Outcome, Plan, SourceError, SourceFault
from agent.core.ports import Refreshed
from agent.errors import HostError, RecordError
from agent.reading import Reader
from agent.report import OUTCOME_SCHEMA, REFRESH_SCHEMA, STATE_SCHEMA, outcome_document, plan_document
from agent.store import REFRESH, STATE, Document, Store
from agent.times import moment


class Memory:
    """Typed reading and writing of the agent's own documents."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problem = "" if store.writable() else f"{store.directory}: the record cannot be written there"
        """Why nothing can be remembered; empty where it can."""

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

    def keep_plan(self, plan: Plan, now: datetime, *, fresh_until: datetime) -> None:
        """Remember a look and its plan as what `status` shows."""
        self._write(
            STATE,
            {
                "schema": STATE_SCHEMA,
                "generated_at": moment(now),
                "fresh_until": moment(fresh_until),
                "plan": plan_document(plan, now),
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

    def keep_outcome(self, outcome: Outcome, now: datetime) -> None:
        """Remember a run, or that one has begun."""
        self.store.write_run(outcome.id, outcome_document(outcome, now))

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
