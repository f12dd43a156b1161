"""The third verb for superseded kernels: removed in a transaction of their own, judged from dpkg's state after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.model.facts import PackageState
from agent.core.model.kernels import KernelRemoval
from agent.core.model.outcome import Failure, Stage
from agent.core.packages.verify import HEALTHY_STATES, disappeared_packages, has_files
from agent.core.ports import PackageEngine, Progress
from agent.errors import ChangedError, HostError


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalResult:
    """What came of it."""

    superseded: tuple[KernelRemoval, ...]
    failed: tuple[Failure, ...]
    """What is to blame for it where not all went; the rest can be tried again without these."""
    others: tuple[str, ...]
    """Packages (`name:architecture`) that went away though no removal named them."""


def remove_kernels(engine: PackageEngine, removals: Sequence[KernelRemoval], tell: Progress) -> RemovalResult:
    """Remove packages; what does not go is told, and is never in the way of what else is to be done.

    Raises:
        BusyError: dpkg's lock was not to be had.
        ChangedError: the machine is not what the removals were planned for; nothing was done.
    """
    tell(f"removing {len(removals)} packages of superseded kernels")
    before = engine.states()
    try:
        errors = engine.remove(removals)
    except ChangedError:
        raise
    except HostError as error:
        errors = {"": str(error)}
    states = engine.states()
    names = {removal.name for removal in removals}
    left = [removal for removal in removals if has_files(states.get(removal.name))]
    # dpkg stops at an error: what it named is to blame, what it did not come to is not.
    culprits = [one for one in left if one.package in errors or states[one.name].state not in HEALTHY_STATES] or left
    return RemovalResult(
        superseded=tuple(removal for removal in removals if removal not in left),
        failed=tuple(_failure(removal, states, errors) for removal in culprits),
        others=tuple(name for name in disappeared_packages(before, states) if name not in names),
    )


def _failure(removal: KernelRemoval, states: Mapping[str, PackageState], errors: Mapping[str, str]) -> Failure:
    state = states[removal.name].state
    error = errors.get(removal.package) or errors.get("") or f"not removed: dpkg says {state}"
    return Failure(package=removal.name, stage=Stage.REMOVE, error=error, detail=f"dpkg state: {state}")
