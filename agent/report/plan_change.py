"""Why a plan is not the requested one, as text. Pure."""

from collections.abc import Callable, Iterable, Sequence

from agent.core.model.plan import Plan
from agent.core.packages.plan_difference import PlannedWork, VersionStep, difference, work_of
from agent.core.spread import spread
from agent.state.timestamps import format_human

_MOST_NAMES = 12
"""Packages that are named for each kind of difference."""


def plan_change(requested: str, plan: Plan, kept: Sequence[PlannedWork]) -> str:
    """Return what differs between the requested plan and the present one; `kept` are the last plans on record."""
    old = next((work for work in kept if work.id == requested), None)
    if old is None:
        return (
            f"nothing was done: the plan is {plan.id} now, not {requested[:40]!r}, which is not on record "
            f"(plans on record: {len(kept)}; a dry run leaves none). `maestro-agent check` shows the plan"
        )
    changes = "; ".join(_changes(old, plan)) or "nothing that is on record"
    return (
        f"nothing was done: the plan is {plan.id} now, not {requested}, which was made {format_human(old.made_at)}. "
        f"Changed since: {changes}. `maestro-agent check` shows the plan"
    )


def _changes(old: PlannedWork, plan: Plan) -> Iterable[str]:
    new = work_of(plan)
    found = difference(old, new)
    held = {str(item.id): item.why.value for item in plan.held}
    if found.scope:
        yield f"the requested plan has {old.scope.value} updates, this one {new.scope.value} updates"
    if found.came:
        yield f"new: {_named(found.came, lambda name: _versions(new.install[name]))}"
    if found.went:
        yield f"no longer: {_named(found.went, lambda name: _fate(old.install[name], held.get(name)))}"
    if found.changed:
        text = _named(found.changed, lambda name: f"{_apart(new, old, name)} (was {_apart(old, new, name)})")
        yield f"another version: {text}"
    if found.remove:
        yield f"packages to remove: {_named(found.remove, lambda name: _presence(name in new.remove))}"
    if found.repair:
        yield f"unfinished packages: {_named(found.repair, lambda name: new.repair.get(name, 'finished'))}"


def _named(names: Sequence[str], describe: Callable[[str], str]) -> str:
    return spread([f"{name.removesuffix(':')} {describe(name)}" for name in names], _MOST_NAMES)


def _versions(step: VersionStep) -> str:
    return f"{step.installed or '(new)'} -> {step.candidate}"


def _apart(shown: PlannedWork, other: PlannedWork, name: str) -> str:
    """Return a step's versions, with its source where only that differs."""
    step = shown.install[name]
    same = _versions(step) == _versions(other.install[name])
    return f"{_versions(step)} from {step.source or 'an unnamed source'}" if same else _versions(step)


def _fate(step: VersionStep, held: str | None) -> str:
    return f"{_versions(step)} ({f'held back now: {held}' if held else 'not pending now'})"


def _presence(is_new: bool) -> str:  # noqa: FBT001 - the one argument of a formatter
    return "to be removed now" if is_new else "no longer to be removed"
