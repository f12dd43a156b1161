"""The third verb: steps carried out in transactions, each judged from dpkg's state after it.

A group that fails takes nothing else with it: what the failure merely cut short is tried once more, a group
at a time, and the order is the same in every run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.core import judge
from agent.core.batches import Batch, pack, split
from agent.core.model import Failure, PackageState, Scope, Stage, Step
from agent.core.ports import PackageEngine, Tell
from agent.errors import BusyError, HostError


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What came of one transaction."""

    upgraded: tuple[Step, ...]
    failed: tuple[Failure, ...]
    removed: tuple[str, ...] = ()


def carry_out(engine: PackageEngine, steps: Sequence[Step], scope: Scope, tell: Tell) -> Iterator[Acted]:
    """Carry out all steps, a transaction for each item drawn; whoever draws may stop between two of them.

    Raises:
        BusyError: dpkg's lock was not to be had. HostError: a transaction could not begin.
        ChangedError: the machine is not what the steps were planned for.
    """
    batches = pack(steps)
    for number, batch in enumerate(batches, start=1):
        tell(f"installing {len(batch)} packages, transaction {number} of {len(batches)}")
        yield _transaction(engine, batch, scope)


def _transaction(engine: PackageEngine, batch: Batch, scope: Scope) -> Acted:
    before = engine.states()
    errors = dict(engine.install(batch, scope))
    states = engine.states()
    if any(_unfinished(step, states) for step in batch):
        # dpkg stops at an error and leaves the rest unpacked; finishing that is always safe.
        errors = {**_finish(engine), **errors}
        states = engine.states()
    for group in split(batch):
        missing = tuple(step for step in group if not judge.arrived(step, states))
        if missing and not any(_culprit(step, states, errors) for step in group):
            errors.update(_once_more(engine, missing, scope))
            states = engine.states()
    return Acted(
        upgraded=tuple(step for step in batch if judge.arrived(step, states)),
        failed=judge.failures(batch, states, errors),
        removed=judge.vanished(before, states),
    )


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
    return state is not None and state.state not in judge.HEALTHY | {"not-installed", "config-files"}


def _culprit(step: Step, states: Mapping[str, PackageState], errors: Mapping[str, str]) -> bool:
    return step.package in errors or _unfinished(step, states)


def not_repaired(before: Sequence[str], states: Mapping[str, PackageState], errors: Mapping[str, str]) -> list[Failure]:
    """Name the packages (`name:architecture`) that a repair could not finish."""
    found = []
    for name in before:
        state = states.get(name)
        if state is not None and state.state not in judge.HEALTHY:
            error = errors.get(name.split(":")[0]) or f"dpkg could not finish it: {state.state}"
            found.append(Failure(package=name, stage=Stage.REPAIR, error=error, detail=f"dpkg state: {state.state}"))
    return found
