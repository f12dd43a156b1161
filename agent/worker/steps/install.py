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
from agent.errors import AgentError, BusyError, ChangedError, HostError, StoppedError

_NOT_REACHED = "dpkg ended before it reached the package, and ended again when the package was retried alone"

States = Mapping[PackageId, PackageState]


@frozen
class TransactionResult:
    """Result of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[PackageId, ...] = ()
    left: tuple[Step, ...] = ()
    """Steps that dpkg did not reach: because of `cause`, or of `ended`."""
    cause: str = ""
    """As in `TransactionReport`; a failed hook may leave no step."""
    unfinished: tuple[Step, ...] = ()
    """Of these, the ones that dpkg has begun: they only wait for its lock, which `ended` the attempts."""
    ended: AgentError | None = None
    """What ended the attempts: packages changed and have to be planned again, or dpkg's lock was held by another."""


def run_transaction(engine: PackageEngine, batch: Batch, scope: Scope, *, repairing: bool) -> TransactionResult:
    """Install the steps of one batch.

    With `repairing`, dpkg continues after an error: it may be of a package that was already unfinished.

    Raises:
        BusyError, StoppedError: another program held dpkg's lock until the deadline, or a stop; nothing was done.
        HostError: the transaction could not start, or ended with an error that is not of dpkg.
        ChangedError: packages changed since the steps were planned; nothing was done.
    """
    before = engine.states()
    # A package that is still broken may block its own repair: the other half of a Multi-Arch: same pair, for example.
    report = engine.install(batch, scope, keep_going=repairing)
    report, ended = _finish_and_retry(engine, batch, scope, report)
    states = engine.states()
    if isinstance(ended, (BusyError, StoppedError)):  # nothing is known against what no error names
        left = tuple(step for step in batch if not verify.is_installed(step, states) and not report.names(step.id))
    else:
        left = tuple(step for group in _not_reached(batch, states, report) for step in group)
    return TransactionResult(
        upgraded=tuple(step for step in batch if verify.is_installed(step, states)),
        failed=verify.failures((step for step in batch if step not in left), states, report),
        removed=verify.disappeared_packages(before, states),
        left=left,
        unfinished=tuple(step for step in left if _unfinished(step, states)),
        cause=report.cause,
        ended=ended,
    )


def _finish_and_retry(
    engine: PackageEngine, batch: Batch, scope: Scope, report: TransactionReport
) -> tuple[TransactionReport, AgentError | None]:
    """Finish what dpkg left unpacked and retry what it did not reach; as `_retry_not_reached`."""
    states = engine.states()
    if any(_unfinished(step, states) for step in batch):
        # dpkg stops at an error and leaves the rest unpacked; configuring that is always safe.
        try:
            report = _finish(engine).followed_by(report)
        except (BusyError, StoppedError) as error:
            return report, error
    return _retry_not_reached(engine, batch, scope, report)


def _retry_not_reached(
    engine: PackageEngine, batch: Batch, scope: Scope, report: TransactionReport
) -> tuple[TransactionReport, AgentError | None]:
    """Retry the groups that dpkg did not reach: together while that helps, then one by one.

    Returns the report, and `TransactionResult.ended`: no error on the way to dpkg loses what was done before.
    """
    last, before, alone = report, len(split(batch)), False
    while left := _not_reached(batch, engine.states(), report):
        if last.cause and len(left) == before:
            break
        before = len(left)
        tried = left[:1] if alone else left
        try:
            last = _once_more(engine, tuple(step for group in tried for step in group), scope)
        except (ChangedError, BusyError, StoppedError) as ended:
            return report, ended
        report = report.followed_by(last)
        if len(_not_reached(batch, engine.states(), report)) < len(left):
            continue
        if alone and not last.cause:  # no progress alone either; the transaction's own error may be the cause
            error = report.fatal or _NOT_REACHED
            report = report.followed_by(TransactionReport(errors={step.id: error for step in left[0]}))
        alone = True
    return report, None


def _not_reached(batch: Batch, states: States, report: TransactionReport) -> tuple[tuple[Step, ...], ...]:
    """Return the steps that are not installed, by group, of groups in which no package failed."""
    found = []
    for group in split(batch):
        missing = tuple(step for step in group if not verify.is_installed(step, states))
        if missing and not any(_failed(step, states, report) for step in group):
            found.append(missing)
    return tuple(found)


def _finish(engine: PackageEngine) -> TransactionReport:
    """Finish what dpkg can; if that fails as a whole, return the error, so that the transaction's result is kept.

    Raises:
        BusyError, StoppedError: another program held dpkg's lock until the deadline, or a stop.
    """
    try:
        return engine.repair()
    except HostError as error:
        return TransactionReport(fatal=f"not finished: {error}")


def _once_more(engine: PackageEngine, steps: Batch, scope: Scope) -> TransactionReport:
    """Try the steps again.

    Raises:
        BusyError, StoppedError: as `_finish`. ChangedError: packages changed since the steps were planned.
    """
    try:
        return engine.install(steps, scope, keep_going=True)
    except ChangedError:
        raise
    except HostError as error:
        return TransactionReport(errors={step.id: f"not tried again: {error}" for step in steps})


def _unfinished(step: Step, states: States) -> bool:
    state = states.get(step.id)
    return state is not None and verify.has_files(state) and state.state not in verify.HEALTHY_STATES


def _failed(step: Step, states: States, report: TransactionReport) -> bool:
    return report.names(step.id) or _unfinished(step, states)
