"""The third verb for superseded kernels: removed in a transaction of their own, judged from dpkg's state after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.model.facts import PackageState
from agent.core.model.kernels import KernelRemoval
from agent.core.model.outcome import Failure, Stage
from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport
from agent.core.packages.verify import HEALTHY_STATES, disappeared_packages, has_files
from agent.core.ports import PackageEngine, Progress
from agent.errors import ChangedError, HostError


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalResult:
    """What came of it."""

    superseded: tuple[KernelRemoval, ...]
    failed: tuple[Failure, ...]
    """What is to blame for it where not all went; the rest can be tried again without these."""
    others: tuple[PackageId, ...]
    """Packages that disappeared although no removal named them."""


def remove_kernels(engine: PackageEngine, removals: Sequence[KernelRemoval], tell: Progress) -> RemovalResult:
    """Remove packages; what does not go is told, and is never in the way of what else is to be done.

    Raises:
        BusyError: dpkg's lock was not to be had.
        ChangedError: the machine is not what the removals were planned for; nothing was done.
    """
    tell(f"removing {len(removals)} packages of superseded kernels")
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
    # dpkg stops at an error: what it named is to blame, what it did not come to is not.
    culprits = [one for one in left if report.names(one.id) or states[one.id].state not in HEALTHY_STATES] or left
    return RemovalResult(
        superseded=tuple(removal for removal in removals if removal not in left),
        failed=tuple(_failure(removal, states, report) for removal in culprits),
        others=tuple(package for package in disappeared_packages(before, states) if package not in planned),
    )


def _failure(removal: KernelRemoval, states: Mapping[PackageId, PackageState], report: TransactionReport) -> Failure:
    state = states[removal.id].state
    error = report.error_of(removal.id) or report.fatal or f"not removed: dpkg says {state}"
    return Failure(package=removal.id, stage=Stage.REMOVE, error=error, detail=f"dpkg state: {state}")
