"""Keeps exactly one daily patcher: switches the distribution's job as the mode asks, and records who patches.

`agent.core.unattended_upgrades.patcher` decides; ADR 15 has the reasons.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from agent.core.exposure import Exposure, FixStage
from agent.core.model.facts import Unseen
from agent.core.model.plan import Plan
from agent.core.policy.policy import DailyJobMode, Policy
from agent.core.unattended_upgrades.model import DailyPatcher, Patcher, StandDown
from agent.core.unattended_upgrades.overdue import is_overdue
from agent.core.unattended_upgrades.patcher import daily_patcher
from agent.core.unattended_upgrades.ports import DailyJobPort
from agent.errors import ExitCode, HostError, NothingDoneError, RecordError
from agent.host import log
from agent.state.daily_job_view import read_daily_job
from agent.state.documents.unattended_upgrades import daily_job_to_document
from agent.state.store import UNATTENDED_UPGRADES, Store
from agent.worker.context import JobContext
from agent.worker.daily_turn import stands_aside

NOTHING_PENDING: Mapping[str, datetime] = MappingProxyType({})


class StandsAsideError(NothingDoneError):
    """The distribution's daily job installs the updates, so that the scheduled upgrade does nothing."""

    exit_code = ExitCode.OK


def settle_daily_job(
    job: DailyJobPort, store: Store, policy: Policy, now: datetime, *, pending: Mapping[str, datetime] = NOTHING_PENDING
) -> DailyPatcher:
    """Switch the distribution's job as the accepted configuration asks; return and record who patches.

    `pending` as of `is_overdue`. A switch that failed is recorded, logged, and tried again by the next check.

    Raises:
        HostError: it cannot be recorded.
    """
    problem = _switched(job, policy.unattended_upgrades.mode, now)
    return record_daily_job(job, store, policy, now, pending=pending, problem=problem)


def record_daily_job(
    job: DailyJobPort,
    store: Store,
    policy: Policy,
    now: datetime,
    *,
    pending: Mapping[str, datetime] = NOTHING_PENDING,
    problem: str = "",
) -> DailyPatcher:
    """Record who patches, and return it; changes nothing else. Parameters and errors as of `settle_daily_job`."""
    mode, theirs = policy.unattended_upgrades.mode, job.look()
    decided = daily_patcher(mode, upgrades=policy.agent.upgrade, theirs=theirs)
    theirs_patches = decided.patcher is Patcher.UNATTENDED_UPGRADES
    document = daily_job_to_document(
        theirs,
        decided,
        mode=mode,
        generated_at=now,
        stood_down=_stood_down(job),
        overdue="" if isinstance(theirs, Unseen) or not theirs_patches else is_overdue(theirs, pending, now),
        problem=problem,
    )
    if recorded_patcher(store) != decided.patcher.value:
        log.event(log.LogEvent.PATCHER_CHANGED, patcher=decided.patcher.value, mode=mode.value)
    store.write(UNATTENDED_UPGRADES, document)
    return decided


def settle_after_check(context: JobContext, plan: Plan, *, scheduled: bool) -> None:
    """Record who patches after a check; one that the daemon requested switches the job, too, by the accepted mode.

    Raises:
        HostError: it cannot be recorded.
    """
    if not context.record.writable:
        return
    pending = pending_since(context.record.exposure(), plan)
    settle = settle_daily_job if scheduled else record_daily_job
    settle(context.daily_job, context.record.store, context.policy, context.machine.now(), pending=pending)


def require_turn(context: JobContext) -> None:
    """Check that the scheduled upgrade is the agent's, by the machine as it is now.

    Raises:
        StandsAsideError: it is not; that is on record, so that the daemon requests it no more.
    """
    store, now = context.record.store, context.machine.now()
    problem = _switched(context.daily_job, context.policy.unattended_upgrades.mode, now)
    decided = daily_patcher(
        context.policy.unattended_upgrades.mode,
        upgrades=context.policy.agent.upgrade,
        theirs=context.daily_job.look(),
    )
    if decided.patcher is Patcher.AGENT:
        return
    if not stands_aside(context.policy, store):  # else what the last check saw of it is kept
        record_daily_job(context.daily_job, store, context.policy, now, problem=problem)
    raise StandsAsideError("unattended-upgrades installs the security updates (`maestro-agent unattended-upgrades`)")


def pending_since(exposure: Exposure, plan: Plan) -> Mapping[str, datetime]:
    """Return since when each package has a security update that may be installed, by name."""
    installable = {(step.package, step.architecture) for step in plan.install}
    found: dict[str, datetime] = {}
    for fix in exposure.inactive:
        if fix.stage is FixStage.PENDING and (fix.package, fix.architecture) in installable:
            found[fix.package] = min(fix.pending_since, found.get(fix.package, fix.pending_since))
    return found


def recorded_patcher(store: Store) -> str:
    """Return who patches by the last check; empty if that is not on record."""
    try:
        found = read_daily_job(store)
    except RecordError:
        return ""
    return found.patcher if found is not None else ""


def _switched(job: DailyJobPort, mode: DailyJobMode, now: datetime) -> str:
    """Switch the job as the mode asks; return why that failed, empty if it did not.

    It is stood down in "replace" even where it is off or not installed: an upgrade of apt, or an installation, could
    switch it on between two checks.
    """
    try:
        by = job.stood_down()
        if mode is DailyJobMode.REPLACE:
            job.stand_down(by or StandDown.MODE, now)
        elif by is StandDown.MODE or (by is not None and mode is DailyJobMode.DELEGATE):
            job.put_back()
    except (HostError, RecordError) as error:
        log.event(log.LogEvent.DAILY_JOB_FAILED, mode=mode.value, error=str(error))
        return str(error)
    return ""


def _stood_down(job: DailyJobPort) -> StandDown | None:
    try:
        return job.stood_down()
    except (HostError, RecordError):  # `problem` has it
        return None
