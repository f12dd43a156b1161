"""The command that takes a run back. Pure."""

from collections.abc import Callable, Mapping

from agent.core.model.outcome import Outcome, Stage, Undo
from agent.core.model.package import PackageId
from agent.core.spread import spread

_MOST_NAMES = 3

Offers = Callable[[PackageId, str], bool]
"""Whether an authenticated source offers a package in a version."""
Companions = Callable[[Mapping[PackageId, str]], Mapping[PackageId, str] | None]
"""Adds to old versions those of the packages that must be downgraded with them; None: that does not work."""


def undo_of(outcome: Outcome, offers: Offers, with_companions: Companions) -> Undo | None:
    """Return how to take a run back with apt-get; None if it upgraded nothing.

    All of its packages together: those of one source package often require each other's exact version. Siblings that
    another run upgraded are added. apt-get shows what it would do, and asks.
    """
    if not outcome.upgraded:
        return None
    obstacle = _obstacle(outcome, offers)
    if obstacle:
        return Undo(obstacle=obstacle)
    upgraded = {step.id: step.installed for step in outcome.upgraded if step.installed}
    versions = with_companions({**{one.id: one.version for one in outcome.removed_unused}, **upgraded})
    if versions is None:
        return Undo(obstacle="the old versions do not fit the other installed packages")
    old = [f"{package.label}={version}" for package, version in versions.items()]
    new = [f"{step.label}-" for step in outcome.upgraded if step.new]
    return Undo(command=" ".join(("apt-get install --allow-downgrades", *old, *new)))


def _obstacle(outcome: Outcome, offers: Offers) -> str:
    if outcome.removed:
        return f"the run removed {spread([one.label for one in outcome.removed], _MOST_NAMES)}"
    unfinished = [one.package.label for one in outcome.failed if one.stage is Stage.CONFIGURE]
    if unfinished:
        return f"{spread(unfinished, _MOST_NAMES)} failed in the new version and must be repaired first"
    old = [(step.id, step.installed) for step in outcome.upgraded if step.installed]
    known = {package for package, _ in old}
    old += [(one.id, one.version) for one in outcome.removed_unused if one.id not in known]
    gone = [f"{package.label} {version}" for package, version in old if not offers(package, version)]
    return f"no package source offers {spread(gone, _MOST_NAMES)} any more" if gone else ""
