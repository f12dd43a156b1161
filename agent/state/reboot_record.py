"""The record of reboots: reboot.json, reboot-schedule.json, skipped-opening.json, and the outcome in the history.

Root writes it.
"""

from datetime import datetime

from agent.core.reboot.model import RebootCourse, RebootOutcome, RebootPhase, RebootSchedule
from agent.core.schemas import REBOOT_OUTCOME_SCHEMA, REBOOT_SCHEDULE_SCHEMA, REBOOT_SCHEMA, SKIPPED_OPENING_SCHEMA
from agent.core.windows import Opening
from agent.errors import RecordError
from agent.state.documents.reboot_course import (
    course_from_document,
    course_to_document,
    schedule_from_document,
    schedule_to_document,
    skipped_from_document,
    skipped_to_document,
)
from agent.state.documents.reboot_outcome import reboot_outcome_from_document, reboot_outcome_to_document
from agent.state.store import REBOOT, REBOOT_OUTCOME, REBOOT_SCHEDULE, SKIPPED_OPENING, Store


class RebootRecord:
    """The documents of reboots in a store. Every write is fsynced and raises HostError if it fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def has_course(self) -> bool:
        """Return whether a reboot is under way or waits; cheap."""
        return self._store.has(REBOOT)

    def is_under_way(self) -> bool:
        """Return whether a reboot began and was not finished by a job, or its document is damaged: it may name one."""
        try:
            course = self.load_course()
        except RecordError:
            return True
        return course is not None and course.phase is not RebootPhase.WAITING

    def load_course(self) -> RebootCourse | None:
        """Return the reboot that is under way or waits; None: there is none.

        Raises:
            RecordError: the document is damaged. It stays until `set_course_aside`: it may name a lock that is held.
        """
        reader = self._store.read(REBOOT, REBOOT_SCHEMA, keep=True)
        return course_from_document(reader) if reader else None

    def save_course(self, course: RebootCourse, now: datetime) -> None:
        """Record how far a reboot has come."""
        self._store.write(REBOOT, course_to_document(course, now))

    def end_course(self) -> None:
        """Remove the course of a reboot that has ended."""
        self._store.remove(REBOOT)

    def set_course_aside(self) -> None:
        """Set a damaged course aside."""
        self._store.set_aside(REBOOT)

    def load_schedule(self) -> RebootSchedule | None:
        """Return the reboot that root has scheduled; None: there is none.

        Raises:
            RecordError: the document is damaged.
        """
        reader = self._store.read(REBOOT_SCHEDULE, REBOOT_SCHEDULE_SCHEMA)
        return schedule_from_document(reader) if reader else None

    def save_schedule(self, schedule: RebootSchedule, now: datetime) -> None:
        """Record a reboot for later."""
        self._store.write(REBOOT_SCHEDULE, schedule_to_document(schedule, now))

    def end_schedule(self) -> None:
        """Remove the scheduled reboot, if there is one."""
        self._store.remove(REBOOT_SCHEDULE)

    def skip_opening(self, opening: Opening, now: datetime) -> None:
        """Record that no reboot by the policy is tried any more in this opening of its window, whatever else is."""
        self._store.write(SKIPPED_OPENING, skipped_to_document(opening, now))

    def skipped_opening(self) -> Opening | None:
        """Return the last opening that was skipped; None: there is none, or the document is damaged."""
        found = self._store.read_or_warn(SKIPPED_OPENING, SKIPPED_OPENING_SCHEMA)
        try:
            return skipped_from_document(found) if found is not None else None
        except RecordError:
            return None

    def save_outcome(self, outcome: RebootOutcome, now: datetime) -> None:
        """Record the outcome so far: in the history, and as the last one."""
        document = reboot_outcome_to_document(outcome, now)
        self._store.write(REBOOT_OUTCOME, document)
        self._store.write_run(outcome.id, document)

    def outcome(self, run_id: str) -> RebootOutcome | None:
        """Return the outcome of a run; None if it is not on record or is damaged."""
        try:
            run = self._store.read_run(run_id)
            is_reboot = run is not None and run.text("schema") == REBOOT_OUTCOME_SCHEMA
            return reboot_outcome_from_document(run) if run is not None and is_reboot else None
        except RecordError:
            return None

    def last_fired(self) -> RebootOutcome | None:
        """Return the newest outcome of the history whose reboot was asked of systemd; None: there is none.

        Raises:
            RecordError: the history cannot be read.
        """
        found = (self.outcome(run_id) for run_id in self._store.run_ids())
        return next((outcome for outcome in found if outcome is not None and outcome.fired_at is not None), None)

    def last_outcome(self) -> RebootOutcome | None:
        """Return the last outcome; None as of `outcome`."""
        found = self._store.read_or_warn(REBOOT_OUTCOME, REBOOT_OUTCOME_SCHEMA)
        try:
            return reboot_outcome_from_document(found) if found is not None else None
        except RecordError:
            return None
