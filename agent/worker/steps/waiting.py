"""Fills in what decides how long updates wait: when each was first seen here, its CVEs, and what a person snoozed."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from agent.core.frozen import replace
from agent.core.model.facts import Facts, Update
from agent.core.model.waiting import Snooze
from agent.core.packages.cohort import cohort_of
from agent.core.packages.cves import Findings, findings_of
from agent.core.packages.first_seen import advance, with_ages
from agent.core.packages.snoozes import ended, in_force, with_snoozes
from agent.errors import BusyError, HostError, RecordError
from agent.state.waiting_record import WaitingRecord
from agent.worker.context import JobContext


def with_waiting(context: JobContext, facts: Facts) -> Facts:
    """Return the facts with the age, the CVEs and the snoozes of each update; records nothing."""
    seen = advance(WaitingRecord(context.record.store).load_first_seen(), facts)
    cohort = cohort_of(context.policy.soak, context.machine_id)
    snoozes = snoozes_in_force(context, facts.seen_at)
    findings = context.record.findings()
    updates = with_ages(seen, _with_cves(facts.updates, findings), facts.seen_at, cohort)
    return replace(facts, updates=tuple(with_snoozes(update, snoozes) for update in updates), snoozes=snoozes)


def record_waiting(context: JobContext, facts: Facts) -> None:
    """Record which versions were first seen by this observation, and which snoozes are over; best effort."""
    record = WaitingRecord(context.record.store)
    before = record.load_first_seen()
    after = advance(before, facts)
    try:
        if after != before:
            record.save_first_seen(after, facts.seen_at)
        with suppress(BusyError, RecordError):  # a person changes them; or they are damaged, which `status` shows
            if record.load_snoozes():
                record.update_snoozes(lambda snoozes: ended(snoozes, facts.seen_at), facts.seen_at)
    except HostError as error:  # the next job records it
        context.record.write_error = str(error)


def snoozes_in_force(context: JobContext, now: datetime) -> tuple[Snooze, ...]:
    """Return the snoozes that are not over; none if they are damaged: updates go on, and `status` shows it."""
    record = WaitingRecord(context.record.store)
    try:
        return in_force(record.load_snoozes(), now)
    except RecordError as error:
        record.warn(str(error))
        return ()


def _with_cves(updates: Iterable[Update], findings: Findings) -> Iterable[Update]:
    for update in updates:
        found = findings_of(findings, update)
        yield update if found is None else replace(update, cves=found.cves, cves_complete=found.complete)
