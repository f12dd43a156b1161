"""The work of a plan, small enough to keep, and what changed from one plan's work to another's. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agent.core.frozen import field, frozen
from agent.core.model.plan import Plan, Step
from agent.core.model.scope import Scope

_KEPT_PLANS = 16
_KEPT_PARTS = 5000
"""Packages in all kept plans together, unless the newest plan alone has more: about a million bytes."""


@frozen
class VersionStep:
    """One step of a plan: from which version to which, and from which source."""

    installed: str | None
    candidate: str
    source: str
    """Origin and archive: "Debian/stable-security"."""


@frozen
class PlannedWork:
    """Everything that the id of a plan stands for, by `name:architecture`."""

    id: str
    scope: Scope
    made_at: datetime
    install: Mapping[str, VersionStep] = field(default_factory=dict)
    remove: Mapping[str, str] = field(default_factory=dict)
    """Versions of obsolete kernel packages, and of packages that the plan makes unneeded."""
    repair: Mapping[str, str] = field(default_factory=dict)
    """dpkg's states; the interrupted journal is `dpkg:`."""

    @property
    def size(self) -> int:
        """How many packages it names."""
        return len(self.install) + len(self.remove) + len(self.repair)


@frozen
class PlanDifference:
    """What changed between two plans; each list has `name:architecture`, sorted."""

    came: tuple[str, ...] = ()
    """Packages that only the new plan installs."""
    went: tuple[str, ...] = ()
    """Packages that only the old plan installs."""
    changed: tuple[str, ...] = ()
    """Packages that both install: from or to another version, or from another source."""
    remove: tuple[str, ...] = ()
    """Packages that only one of the two removes."""
    repair: tuple[str, ...] = ()
    """Unfinished packages whose state is another."""
    scope: bool = False
    """Whether the two are of different scopes."""


def work_of(plan: Plan) -> PlannedWork:
    """Return the work of a plan."""
    repair = {str(item.id): item.state for item in plan.repair}
    return PlannedWork(
        id=plan.id,
        scope=plan.scope,
        made_at=plan.seen_at,
        install={str(step.id): _version_step(step) for step in plan.install},
        remove={str(removal.id): removal.version for removal in (*plan.remove, *plan.unused)},
        repair={**repair, "dpkg:": "interrupted"} if plan.journal else repair,
    )


def difference(old: PlannedWork, new: PlannedWork) -> PlanDifference:
    """Return what changed from one plan to the other."""
    both = old.install.keys() & new.install.keys()
    return PlanDifference(
        came=tuple(sorted(new.install.keys() - both)),
        went=tuple(sorted(old.install.keys() - both)),
        changed=tuple(sorted(name for name in both if old.install[name] != new.install[name])),
        remove=_differing(old.remove, new.remove),
        repair=_differing(old.repair, new.repair),
        scope=old.scope is not new.scope,
    )


def with_newest(kept: Sequence[PlannedWork], newest: PlannedWork) -> tuple[PlannedWork, ...]:
    """Return the plans to keep, newest first: as many as the bounds allow, each id once."""
    room, found = _KEPT_PARTS - newest.size, [newest]
    for work in kept:
        room -= 0 if work.id == newest.id else work.size
        if room < 0 or len(found) == _KEPT_PLANS:
            break
        found += [] if work.id == newest.id else [work]
    return tuple(found)


def _version_step(step: Step) -> VersionStep:
    source = "/".join(part for part in (step.origin, step.archive) if part)
    return VersionStep(installed=step.installed, candidate=step.candidate, source=source)


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    names: Iterable[str] = old.keys() | new.keys()
    return tuple(sorted(name for name in names if old.get(name) != new.get(name)))
