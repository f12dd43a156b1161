"""Verifies a reboot after the boot; only then, and only if nothing is wrong, the fleet lock is released."""

from datetime import timedelta

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.reboot.model import (
    LockUse,
    RebootCourse,
    RebootOutcome,
    RebootProblem,
    RebootResult,
)
from agent.core.reboot.verify import AfterBoot, problems_after
from agent.errors import AgentError, HostError
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.state.reboot_record import RebootRecord
from agent.worker.context import JobContext
from agent.worker.steps.reboot.close import end_course, is_recorded, record_outcome, release, run_post_hooks

BOOT_LIMIT = timedelta(minutes=10)
"""For the boot to finish: systemd gives a unit 90 s by default, one after another."""
_RELEASE_TRIES = 4
"""Right after the boot the network may not be there yet; other machines wait for the lock."""
_BY_OTHERS = "the machine booted before the agent asked for it"


def verify(context: JobContext, course: RebootCourse, outcome: RebootOutcome, wait: timedelta) -> RebootOutcome | None:
    """Verify that the reboot did what it was for; None: the boot has not finished, a later job verifies."""
    if outcome.finished_at is None:
        started_at = context.reboot_acts.host.wait_until_started(wait)
        if started_at is None and wait < BOOT_LIMIT:
            context.control.step("the reboot is verified once the boot has finished")
            return None
        context.control.step("verifying the reboot")
        down_at = outcome.fired_at or course.entered_at
        seen = AfterBoot(
            started_at=started_at,
            reboot=context.machine.reboot(),
            failed_units=context.reboot_acts.host.failed_units(),
        )
        problems = tuple(problems_after(seen, failed_before=course.failed_units, down_at=down_at))
        outcome = _run_post_hooks(context, _seen(context, outcome, seen, problems))
        outcome = _keep_or_release(context, outcome)
        outcome = record_outcome(context, replace(outcome, finished_at=context.machine.now()))
        _require_recorded(context, outcome)
    if outcome.lock is LockUse.RELEASING:
        outcome = replace(outcome, lock=release(context, tries=_RELEASE_TRIES))
        RebootRecord(context.record.store).save_outcome(outcome, context.machine.now())
    end_course(context, outcome)
    return outcome


def _seen(
    context: JobContext, outcome: RebootOutcome, seen: AfterBoot, problems: tuple[RebootProblem, ...]
) -> RebootOutcome:
    return replace(
        outcome,
        result=RebootResult.REBOOTED,
        boot_after=context.reboot_acts.host.boot(),
        kernel_after=None if isinstance(seen.reboot, Unseen) else seen.reboot.kernel.running,
        back_at=seen.started_at.replace(microsecond=0) if seen.started_at else None,  # as the record has it
        problems=problems,
        message="" if outcome.fired_at else _BY_OTHERS,
    )


def _run_post_hooks(context: JobContext, outcome: RebootOutcome) -> RebootOutcome:
    """Run the hooks after the reboot; return the outcome with its result."""
    outcome = _with_result(outcome)
    document = reboot_outcome_to_document(outcome, context.machine.now())
    problems = run_post_hooks(context, document)
    return _with_result(replace(outcome, problems=(*outcome.problems, *problems)))


def _with_result(outcome: RebootOutcome) -> RebootOutcome:
    return replace(outcome, result=RebootResult.REBOOTED_WITH_PROBLEMS) if outcome.problems else outcome


def _keep_or_release(context: JobContext, outcome: RebootOutcome) -> RebootOutcome:
    """Keep the lock of a machine that came back with problems; else it is released once the outcome is on record."""
    lock = context.reboot_acts.lock
    try:
        if lock.held() is None:
            return replace(outcome, lock=LockUse.NONE)
        if outcome.problems:
            lock.keep("; ".join(one.detail for one in outcome.problems))
            context.control.step("the fleet lock is kept: `maestro-agent lock release` releases it")
    except AgentError as error:
        context.control.step(f"the record of the fleet lock: {error}")
    return replace(outcome, lock=LockUse.KEPT if outcome.problems else LockUse.RELEASING)


def _require_recorded(context: JobContext, outcome: RebootOutcome) -> None:
    """Check that the outcome is on record: the lock is released only then.

    Raises:
        HostError: it is not.
    """
    if not is_recorded(context, outcome):
        raise HostError(outcome.message or "the outcome of the reboot cannot be recorded")
