"""Removes packages that nothing needs in one transaction and verifies it against dpkg's states."""

from collections.abc import Mapping, Sequence

from agent.core.frozen import frozen
from agent.core.model.facts import PackageState
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Failure, Stage
from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport
from agent.core.packages.verify import HEALTHY_STATES, disappeared_packages, has_files
from agent.core.ports import PackageEngine
from agent.errors import ChangedError, HostError


@frozen
class RemovalResult:
    """Result of a removal."""

    removed: tuple[Removal, ...]
    failed: tuple[Failure, ...]
    """Packages that caused an incomplete removal; the rest can be retried without them."""
    others: tuple[PackageId, ...]
    """Packages that disappeared although no removal named them."""


def remove_packages(engine: PackageEngine, removals: Sequence[Removal]) -> RemovalResult:
    """Remove packages; one that cannot be removed is returned as failed and does not end the run.

    Raises:
        BusyError: dpkg's lock was held by another program until the deadline.
        ChangedError: packages changed since the removal was planned; nothing was done.
        HostError: dpkg or a hook failed as a whole; nothing was removed.
    """
    before = engine.states()
    try:
        report = engine.remove(removals)
    except ChangedError:
        raise
    except HostError as error:
        report = TransactionReport(fatal=str(error))
    states = engine.states()
    planned = {removal.id for removal in removals}
    left = [removal for removal in removals if has_files(states.get(removal.id))]
    if report.cause and len(left) == len(removals):
        raise HostError(report.cause)
    # dpkg stops at an error: the package that it names caused it, those that it did not reach did not.
    causes = [one for one in left if report.names(one.id) or states[one.id].state not in HEALTHY_STATES] or left
    return RemovalResult(
        removed=tuple(removal for removal in removals if removal not in left),
        failed=tuple(_failure(removal, states, report) for removal in causes),
        others=tuple(package for package in disappeared_packages(before, states) if package not in planned),
    )


def _failure(removal: Removal, states: Mapping[PackageId, PackageState], report: TransactionReport) -> Failure:
    state = states[removal.id].state
    error = report.error_of(removal.id) or report.fatal or f"not removed: dpkg says {state}"
    return Failure(package=removal.id, stage=Stage.REMOVE, error=error, detail=f"dpkg state: {state}")
