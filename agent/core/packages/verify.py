"""Verifies a run against dpkg's states after it. Pure."""

from collections.abc import Iterable, Mapping

from agent.core.frozen import replace
from agent.core.model.facts import UNMET_DEPENDENCIES, ListsState, PackageState
from agent.core.model.outcome import Failure, Outcome, Result, Stage
from agent.core.model.package import PackageId
from agent.core.model.plan import Overridden, Plan, Step
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.transaction import TransactionReport

HEALTHY_STATES = frozenset({"installed", "triggers-awaited", "triggers-pending"})
"""dpkg states in which the installed version is in service; the next dpkg call runs pending triggers."""
_LISTS_SUMMARY = {
    ListsState.PARTIAL: ReasonCode.LISTS_PARTIAL,
    ListsState.NEVER: ReasonCode.LISTS_NEVER,
    ListsState.STALE: ReasonCode.LISTS_STALE,
}


def is_installed(step: Step, states: Mapping[PackageId, PackageState]) -> bool:
    """Whether dpkg has the step's package installed at the planned version."""
    state = states.get(step.id)
    return state is not None and state.version == step.candidate and state.state in HEALTHY_STATES


def failures(
    steps: Iterable[Step], states: Mapping[PackageId, PackageState], report: TransactionReport
) -> tuple[Failure, ...]:
    """Return a failure for each step that is not installed: the stage it stopped at, and dpkg's error."""
    found = []
    for step in steps:
        if is_installed(step, states):
            continue
        state = states.get(step.id)
        at_target = state is not None and state.version == step.candidate
        stage = Stage.CONFIGURE if at_target else Stage.UNPACK
        dpkg_state = state.state if state is not None else "not-installed"
        of_all = "" if report.cause else report.fatal  # the cause is reported once, for the run
        error = report.error_of(step.id) or of_all or f"not upgraded: dpkg says {dpkg_state}"
        found.append(Failure(package=step.id, stage=stage, error=error, detail=f"dpkg state: {dpkg_state}"))
    return tuple(found)


def with_cause(outcome: Outcome, cause: str) -> Outcome:
    """Add what is wrong with dpkg or a hook although every package is as planned; empty: nothing."""
    if not cause:
        return outcome
    degraded = outcome.result in {Result.UP_TO_DATE, Result.UPDATED}
    return replace(
        outcome,
        result=Result.DEGRADED if degraded else outcome.result,
        message="; ".join(filter(None, (outcome.message, cause))),
        problem="; ".join(filter(None, (outcome.problem, cause))),
    )


def disappeared_packages(
    before: Mapping[PackageId, PackageState], after: Mapping[PackageId, PackageState]
) -> tuple[PackageId, ...]:
    """Return the packages that were installed before and no longer are."""
    healthy = (package for package, state in before.items() if state.state in HEALTHY_STATES)
    gone = (package for package in healthy if not has_files(after.get(package)))
    return tuple(sorted(gone))


def has_files(state: PackageState | None) -> bool:
    """Whether a package in this state has files on the machine; None: dpkg does not know it."""
    return state is not None and state.state not in {"not-installed", "config-files"}


def classify(plan_after: Plan, outcome: Outcome, *, stopped: bool) -> Result:
    """Return the result of a run.

    It is up-to-date only with fresh, verified lists and nothing pending or held; see `Result`.
    """
    if outcome.failed or plan_after.repairable:
        return Result.FAILED
    if stopped and plan_after.install:
        return Result.INTERRUPTED
    fresh = plan_after.lists.state is ListsState.FRESH
    replaced = {package for step in outcome.upgraded for package in step.replaces}
    unplanned = not replaced.issuperset(outcome.removed)
    if plan_after.held or plan_after.install or plan_after.unfinished or unplanned:
        return Result.DEGRADED
    if fresh:
        changed = outcome.upgraded or outcome.repaired or outcome.journal_merged or outcome.removed_kernels
        return Result.UPDATED if changed else Result.UP_TO_DATE
    if outcome.upgraded or plan_after.lists.state is ListsState.PARTIAL:
        return Result.DEGRADED
    return Result.STALE


def summary(after: Plan, result: Result, *, stopped: str) -> Reason | None:
    """Return what an outcome's lists do not show; `stopped` is why the run was stopped, empty if it was not."""
    unmet = [item.label for item in after.repair if item.state == UNMET_DEPENDENCIES]
    if unmet:
        return Reason(code=ReasonCode.UNMET_DEPENDENCIES, values=(", ".join(unmet),))
    if result is Result.INTERRUPTED:
        return Reason(code=ReasonCode.STOPPED, values=(stopped,))
    code = _LISTS_SUMMARY.get(after.lists.state)
    return Reason(code=code) if code is not None else None


def still_overridden(outcome: Outcome) -> tuple[Overridden, ...]:
    """Return what of the steps that would have had to wait was upgraded, or has failed."""
    done = {*(step.id for step in outcome.upgraded), *(failure.package for failure in outcome.failed)}
    return tuple(one for one in outcome.overridden if one.id in done)
