"""The third verb: steps carried out in transactions, each judged from dpkg's state after it.

A group that fails takes nothing else with it: all groups go first in one transaction, what a failure merely
cut short goes on from where dpkg stands, together as long as that helps and one by one from there. The order
is the same in every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.model.facts import PackageState
from agent.core.model.outcome import Failure
from agent.core.model.package import PackageId
from agent.core.model.plan import Scope, Step
from agent.core.model.transaction import TransactionReport
from agent.core.packages import verify
from agent.core.packages.batches import Batch, split
from agent.core.ports import PackageEngine
from agent.errors import BusyError, HostError

_CUT_SHORT = "dpkg ended before it was the package's turn, and did so again when it was tried by itself"

States = Mapping[PackageId, PackageState]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionResult:
    """What came of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[PackageId, ...] = ()


def run_transaction(engine: PackageEngine, batch: Batch, scope: Scope, *, mending: bool) -> TransactionResult:
    """Carry out the steps of one batch; where they are `mending` what dpkg left behind, its first errors end nothing.

    Raises:
        BusyError: dpkg's lock was not to be had. HostError: the transaction could not begin.
        ChangedError: the machine is not what the steps were planned for.
    """
    before = engine.states()
    # What is still broken may be in the way of what would mend it: the other half of a Multi-Arch: same pair, say.
    report = engine.install(batch, scope, carry_on=mending)
    states = engine.states()
    if any(_unfinished(step, states) for step in batch):
        # dpkg stops at an error and leaves the rest unpacked; finishing that is always safe.
        report = _finish(engine).followed_by(report)
        states = engine.states()
    report, states = _retry_not_reached(engine, batch, scope, report, states)
    return TransactionResult(
        upgraded=tuple(step for step in batch if verify.is_installed(step, states)),
        failed=verify.failures(batch, states, report),
        removed=verify.disappeared_packages(before, states),
    )


def _retry_not_reached(
    engine: PackageEngine, batch: Batch, scope: Scope, report: TransactionReport, states: States
) -> tuple[TransactionReport, States]:
    """Retry the groups that dpkg did not reach: together while that helps, then one by one."""
    alone = False
    while left := _not_reached(batch, states, report):
        tried = left[:1] if alone else left
        report = report.followed_by(_once_more(engine, tuple(step for group in tried for step in group), scope))
        states = engine.states()
        after = _not_reached(batch, states, report)
        if len(after) < len(left):
            continue
        if alone:  # no progress alone either; the transaction's own error may be the cause
            error = report.fatal or _CUT_SHORT
            report = report.followed_by(TransactionReport(errors={step.id: error for step in left[0]}))
        alone = True
    return report, states


def _not_reached(batch: Batch, states: States, report: TransactionReport) -> tuple[tuple[Step, ...], ...]:
    """Return, group by group, the steps that did not arrive although nothing is wrong with any of their group."""
    found = []
    for group in split(batch):
        missing = tuple(step for step in group if not verify.is_installed(step, states))
        if missing and not any(_failed(step, states, report) for step in group):
            found.append(missing)
    return tuple(found)


def _finish(engine: PackageEngine) -> TransactionReport:
    """Finish what can be; where even that may not begin, what was done before must still be told."""
    try:
        return engine.repair()
    except (BusyError, HostError) as error:
        return TransactionReport(fatal=f"not finished: {error}")


def _once_more(engine: PackageEngine, steps: Batch, scope: Scope) -> TransactionReport:
    try:
        return engine.install(steps, scope, carry_on=True)
    except (BusyError, HostError) as error:
        return TransactionReport(errors={step.id: f"not tried again: {error}" for step in steps})


def _unfinished(step: Step, states: States) -> bool:
    state = states.get(step.id)
    return state is not None and verify.has_files(state) and state.state not in verify.HEALTHY_STATES


def _failed(step: Step, states: States, report: TransactionReport) -> bool:
    return report.names(step.id) or _unfinished(step, states)
