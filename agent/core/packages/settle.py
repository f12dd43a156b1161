"""Judges by dpkg's states what of a run's work has been done, where its own report of that is missing. Pure."""

from collections.abc import Collection, Iterable, Mapping

from agent.core.frozen import replace
from agent.core.model.facts import UNMET_DEPENDENCIES, PackageState, Repair
from agent.core.model.kernels import Removal
from agent.core.model.outcome import Outcome, Result, Underway
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages.verify import HEALTHY_STATES, has_files, is_installed

States = Mapping[PackageId, PackageState]

_WITH_UPGRADED = {Result.UP_TO_DATE: Result.UPDATED, Result.STALE: Result.DEGRADED}
"""Results that change once a package was upgraded."""
_REINST_REQUIRED = "reinst-required"


def with_installed(outcome: Outcome, steps: Iterable[Step]) -> Outcome:
    """Add installed steps; a reinstalled version counts as repaired, not as upgraded."""
    found = list(steps)
    repaired = (_reinstallation(step) for step in found if step.installed == step.candidate)
    return replace(
        outcome,
        upgraded=(*outcome.upgraded, *(step for step in found if step.installed != step.candidate)),
        repaired=(*outcome.repaired, *repaired),
    )


def settled(outcome: Outcome, states: States) -> Outcome:
    """Move what was underway and is done by now to what the run did; the rest stays underway."""
    underway = outcome.underway
    installed = [step for step in underway.steps if is_installed(step, states)]
    replaced = {package for step in underway.steps for package in step.replaces if not has_files(states.get(package))}
    kernels, kernels_left = _removed(underway.kernels, states)
    unused, unused_left = _removed(underway.unused, states)
    repaired = [item for item in underway.repairs if _is_repaired(item, states)]
    return replace(
        with_installed(replace(outcome, repaired=(*outcome.repaired, *repaired)), installed),
        removed=(*outcome.removed, *sorted(replaced.difference(outcome.removed))),
        removed_kernels=(*outcome.removed_kernels, *kernels),
        removed_unused=(*outcome.removed_unused, *unused),
        underway=Underway(
            steps=tuple(_without(replaced, step) for step in underway.steps if step not in installed),
            kernels=kernels_left,
            unused=unused_left,
            repairs=tuple(item for item in underway.repairs if item not in repaired),
        ),
    )


def at_end(outcome: Outcome, states: States) -> Outcome:
    """Settle what is underway at the end of a run: of the rest, what dpkg has begun to install stays underway."""
    done = settled(outcome, states)
    begun = tuple(step for step in done.underway.steps if _has_begun(step, states))
    return replace(done, underway=Underway(steps=begun))


def with_late_arrivals(outcome: Outcome, left: Underway, states: States) -> Outcome:
    """Add what an earlier run had left underway and is done by now, unless the outcome contains it.

    What dpkg has begun to install and still has not finished is underway in this run.
    """
    late = at_end(replace(outcome, underway=_without_known(left, outcome)), states)
    steps = (*outcome.underway.steps, *late.underway.steps)
    late = replace(late, underway=replace(outcome.underway, steps=steps))
    if late.upgraded != outcome.upgraded:
        return replace(late, result=_WITH_UPGRADED.get(outcome.result, outcome.result))
    done = late.repaired != outcome.repaired or late.removed_kernels != outcome.removed_kernels
    return replace(late, result=Result.UPDATED) if done and outcome.result is Result.UP_TO_DATE else late


def _without_known(left: Underway, outcome: Outcome) -> Underway:
    """Return what is not part of the outcome; a package is upgraded, repaired or removed once."""
    of_run = (*outcome.upgraded, *outcome.underway.steps, *outcome.repaired)
    known = {item.id for item in (*of_run, *outcome.removed_kernels, *outcome.removed_unused)}
    upgraded = {step.id for step in (*outcome.upgraded, *outcome.underway.steps)}
    return Underway(
        steps=tuple(
            step for step in left.steps if step.id not in (known if step.installed == step.candidate else upgraded)
        ),
        kernels=tuple(removal for removal in left.kernels if removal.id not in known),
        unused=tuple(removal for removal in left.unused if removal.id not in known),
        repairs=tuple(item for item in left.repairs if item.id not in known),
    )


def _removed(removals: Iterable[Removal], states: States) -> tuple[tuple[Removal, ...], tuple[Removal, ...]]:
    """Return those that are gone, and the others."""
    found = tuple(removals)
    gone = tuple(removal for removal in found if not has_files(states.get(removal.id)))
    return gone, tuple(removal for removal in found if removal not in gone)


def _is_repaired(item: Repair, states: States) -> bool:
    """Whether dpkg has finished the package; only the resolver knows of unmet dependencies."""
    state = states.get(item.id)
    return item.state != UNMET_DEPENDENCIES and state is not None and state.state in HEALTHY_STATES


def _has_begun(step: Step, states: States) -> bool:
    state = states.get(step.id)
    return state is not None and has_files(state) and state.state not in HEALTHY_STATES


def _without(replaced: Collection[PackageId], step: Step) -> Step:
    """Return the step without what it has replaced already, so that this is counted once."""
    return replace(step, replaces=tuple(package for package in step.replaces if package not in replaced))


def _reinstallation(step: Step) -> Repair:
    return Repair(package=step.package, architecture=step.architecture, state=_REINST_REQUIRED)
