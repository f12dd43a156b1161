"""Installs the steps of one transaction and verifies them against dpkg's states.

A group that fails affects no other: all groups share one transaction; groups that dpkg did not reach because of a
failure are retried, together while that helps and then one by one. The order is the same in every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.model.facts import PackageState
from agent.core.model.outcome import Failure
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages import verify
from agent.core.packages.batches import Batch, split
from agent.core.ports import PackageEngine
from agent.errors import BusyError, HostError

_NOT_REACHED = "dpkg ended before it reached the package, and ended again when the package was retried alone"

States = Mapping[PackageId, PackageState]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionResult:
    """Result of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[PackageId, ...] = ()


def run_transaction(engine: PackageEngine, batch: Batch, scope: Scope, *, repairing: bool) -> TransactionResult:
    """Install the steps of one batch.

    With `repairing`, dpkg continues after an error: it may be of a package that was already unfinished.

    Raises:
        BusyError: dpkg's lock was held by another program until the deadline.
        HostError: the transaction could not start.
        ChangedError: packages changed since the steps were planned.
    """
    before = engine.states()
    # A package that is still broken may block its own repair: the other half of a Multi-Arch: same pair, for example.
    report = engine.install(batch, scope, keep_going=repairing)
    states = engine.states()
    if any(_unfinished(step, states) for step in batch):
        # dpkg stops at an error and leaves the rest unpacked; configuring that is always safe.
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
            error = report.fatal or _NOT_REACHED
            report = report.followed_by(TransactionReport(errors={step.id: error for step in left[0]}))
        alone = True
    return report, states


def _not_reached(batch: Batch, states: States, report: TransactionReport) -> tuple[tuple[Step, ...], ...]:
    """Return the steps that are not installed, by group, of groups in which no package failed."""
    found = []
    for group in split(batch):
        missing = tuple(step for step in group if not verify.is_installed(step, states))
        if missing and not any(_failed(step, states, report) for step in group):
            found.append(missing)
    return tuple(found)


def _finish(engine: PackageEngine) -> TransactionReport:
    """Finish what dpkg can; if that cannot even start, return the error, so that the transaction's result is kept."""
    try:
        return engine.repair()
    except (BusyError, HostError) as error:
        return TransactionReport(fatal=f"not finished: {error}")


def _once_more(engine: PackageEngine, steps: Batch, scope: Scope) -> TransactionReport:
    try:
        return engine.install(steps, scope, keep_going=True)
    except (BusyError, HostError) as error:
        return TransactionReport(errors={step.id: f"not tried again: {error}" for step in steps})


def _unfinished(step: Step, states: States) -> bool:
    state = states.get(step.id)
    return state is not None and verify.has_files(state) and state.state not in verify.HEALTHY_STATES


def _failed(step: Step, states: States, report: TransactionReport) -> bool:
    return report.names(step.id) or _unfinished(step, states)
