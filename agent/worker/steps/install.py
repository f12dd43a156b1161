"""Installs the steps of one transaction and verifies them against dpkg's states.

A group that fails affects no other: all groups share one transaction; groups that dpkg did not reach because of a
failure are retried, together while that helps and then one by one. The order is the same in every run.
"""

from collections.abc import Mapping

from agent.core.frozen import frozen
from agent.core.model.facts import PackageState
from agent.core.model.outcome import Failure
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.model.scope import Scope
from agent.core.model.transaction import TransactionReport
from agent.core.packages import verify
from agent.core.packages.batches import Batch, split
from agent.core.ports import PackageEngine
from agent.errors import BusyError, ChangedError, HostError

_NOT_REACHED = "dpkg ended before it reached the package, and ended again when the package was retried alone"

States = Mapping[PackageId, PackageState]


@frozen
class TransactionResult:
    """Result of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[PackageId, ...] = ()
    left: tuple[Step, ...] = ()
    """Steps that dpkg did not reach: because of `cause`, or of `changed`."""
    cause: str = ""
    """As in `TransactionReport`; a failed hook may leave no step."""
    changed: str = ""
    """What changed on the machine before dpkg reached them: they have to be planned again."""


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
    report, changed = _retry_not_reached(engine, batch, scope, report)
    states = engine.states()
    left = tuple(step for group in _not_reached(batch, states, report) for step in group)
    return TransactionResult(
        upgraded=tuple(step for step in batch if verify.is_installed(step, states)),
        failed=verify.failures((step for step in batch if step not in left), states, report),
        removed=verify.disappeared_packages(before, states),
        left=left,
        cause=report.cause,
        changed=changed,
    )


def _retry_not_reached(
    engine: PackageEngine, batch: Batch, scope: Scope, report: TransactionReport
) -> tuple[TransactionReport, str]:
    """Retry the groups that dpkg did not reach: together while that helps, then one by one.

    Returns the report, and what changed on the machine if that ended the attempts.
    """
    last, before, alone = report, len(split(batch)), False
    while left := _not_reached(batch, engine.states(), report):
        if last.cause and len(left) == before:
            break
        before = len(left)
        tried = left[:1] if alone else left
        try:
            last = _once_more(engine, tuple(step for group in tried for step in group), scope)
        except ChangedError as changed:
            return report, str(changed)
        report = report.followed_by(last)
        if len(_not_reached(batch, engine.states(), report)) < len(left):
            continue
        if alone and not last.cause:  # no progress alone either; the transaction's own error may be the cause
            error = report.fatal or _NOT_REACHED
            report = report.followed_by(TransactionReport(errors={step.id: error for step in left[0]}))
        alone = True
    return report, ""


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
    except ChangedError:
        raise
    except (BusyError, HostError) as error:
        return TransactionReport(errors={step.id: f"not tried again: {error}" for step in steps})


def _unfinished(step: Step, states: States) -> bool:
    state = states.get(step.id)
    return state is not None and verify.has_files(state) and state.state not in verify.HEALTHY_STATES


def _failed(step: Step, states: States, report: TransactionReport) -> bool:
    return report.names(step.id) or _unfinished(step, states)
