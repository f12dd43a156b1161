"""The third verb: steps carried out in transactions, each judged from dpkg's state after it.

A group that fails takes nothing else with it: all groups go first in one transaction, what a failure merely
cut short goes on from where dpkg stands, together as long as that helps and one by one from there. The order
is the same in every run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.core.model.facts import PackageState
from agent.core.model.outcome import Failure, Stage
from agent.core.model.plan import Scope, Step
from agent.core.packages import verify
from agent.core.packages.batches import Batch, split
from agent.core.ports import PackageEngine
from agent.errors import BusyError, HostError

_CUT_SHORT = "dpkg ended before it was the package's turn, and did so again when it was tried by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionResult:
    """What came of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[str, ...] = ()


def run_transaction(engine: PackageEngine, batch: Batch, scope: Scope, *, mending: bool) -> TransactionResult:
    """Carry out the steps of one batch; where they are `mending` what dpkg left behind, its first errors end nothing.

    Raises:
        BusyError: dpkg's lock was not to be had. HostError: the transaction could not begin.
        ChangedError: the machine is not what the steps were planned for.
    """
    before = engine.states()
    # What is still broken may be in the way of what would mend it: the other half of a Multi-Arch: same pair, say.
    errors = dict(engine.install(batch, scope, carry_on=mending))
    states = engine.states()
    if any(_unfinished(step, states) for step in batch):
        # dpkg stops at an error and leaves the rest unpacked; finishing that is always safe.
        errors = {**_finish(engine), **errors}
        states = engine.states()
    states = _retry_not_reached(engine, batch, scope, errors, states)
    return TransactionResult(
        upgraded=tuple(step for step in batch if verify.is_installed(step, states)),
        failed=verify.failures(batch, states, errors),
        removed=verify.disappeared_packages(before, states),
    )


def _retry_not_reached(
    engine: PackageEngine, batch: Batch, scope: Scope, errors: dict[str, str], states: Mapping[str, PackageState]
) -> Mapping[str, PackageState]:
    """Try the groups that were cut short again, together while that brings any of them further; add to `errors`."""
    alone = False
    while left := _not_reached(batch, states, errors):
        tried = left[:1] if alone else left
        errors.update(_once_more(engine, tuple(step for group in tried for step in group), scope))
        states = engine.states()
        after = _not_reached(batch, states, errors)
        if len(after) < len(left):
            continue
        if alone:  # it came no further by itself either; what speaks of no package by name may say why
            errors.update({step.package: errors.get("") or _CUT_SHORT for step in left[0]})
        alone = True
    return states


def _not_reached(
    batch: Batch, states: Mapping[str, PackageState], errors: Mapping[str, str]
) -> tuple[tuple[Step, ...], ...]:
    """Return, group by group, the steps that did not arrive although nothing is wrong with any of their group."""
    found = []
    for group in split(batch):
        missing = tuple(step for step in group if not verify.is_installed(step, states))
        if missing and not any(_failed(step, states, errors) for step in group):
            found.append(missing)
    return tuple(found)


def _finish(engine: PackageEngine) -> Mapping[str, str]:
    """Finish what can be; where even that may not begin, what was done before must still be told."""
    try:
        return engine.repair()
    except (BusyError, HostError) as error:
        return {"": f"not finished: {error}"}


def _once_more(engine: PackageEngine, steps: Batch, scope: Scope) -> Mapping[str, str]:
    try:
        return engine.install(steps, scope, carry_on=True)
    except (BusyError, HostError) as error:
        return {step.package: f"not tried again: {error}" for step in steps}


def _unfinished(step: Step, states: Mapping[str, PackageState]) -> bool:
    state = states.get(f"{step.package}:{step.architecture}")
    return state is not None and verify.has_files(state) and state.state not in verify.HEALTHY_STATES


def _failed(step: Step, states: Mapping[str, PackageState], errors: Mapping[str, str]) -> bool:
    return step.package in errors or _unfinished(step, states)


def not_repaired(before: Sequence[str], states: Mapping[str, PackageState], errors: Mapping[str, str]) -> list[Failure]:
    """Name the packages (`name:architecture`) that a repair could not finish."""
    found = []
    for name in before:
        state = states.get(name)
        if state is not None and state.state not in verify.HEALTHY_STATES:
            error = errors.get(name.split(":")[0]) or f"dpkg could not finish it: {state.state}"
            found.append(Failure(package=name, stage=Stage.REPAIR, error=error, detail=f"dpkg state: {state.state}"))
    return found
