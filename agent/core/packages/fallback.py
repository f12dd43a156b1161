"""The next attempt after the resolver refused part of the admitted updates. Pure."""

from collections.abc import Iterable, Sequence

from agent.core.debian_version import version_key
from agent.core.frozen import frozen
from agent.core.model.facts import Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Resolution
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup, held_with_group


@frozen
class Fallback:
    """The next attempt, without some of the refused updates."""

    tried: tuple[Update, ...]
    """The updates to resolve next."""
    held: tuple[Held, ...]
    """The updates that are left out."""


def next_attempt(
    tried: tuple[Update, ...],
    lower: Iterable[Update],
    resolution: Resolution,
    groups: Sequence[AtomicGroup] = ATOMIC_GROUPS,
) -> Fallback | None:
    """Return what to try after the resolver's answer: a lower version, or less of an atomic group; None: accept it.

    `lower` as in `agent.core.packages.admission.Admission`.
    """
    instead = _instead(lower, resolution.refused)
    if instead:
        over = {update.id for update in instead}
        return Fallback(
            tried=(*(update for update in tried if update.id not in over), *instead),
            held=tuple(held for held in resolution.refused if held.id in over),
        )
    apart = held_with_group(groups, resolution.refused, resolution.steps)
    if not apart:
        return None
    split = frozenset[str]().union(
        *(group.packages for group in groups if any(step.package in group for step in apart))
    )
    refused = (held for held in resolution.refused if held.package in split)
    return Fallback(
        tried=tuple(update for update in tried if update.package not in split),
        held=(*refused, *(Held.of(step, refusal) for step, refusal in apart.items() if not step.new)),
    )


def _instead(lower: Iterable[Update], refused: Iterable[Held]) -> tuple[Update, ...]:
    """Return the next lower version of each package that the resolver refused, if it has one."""
    over = {item.id: version_key(item.candidate) for item in refused}
    found: dict[PackageId, Update] = {}
    for update in lower:
        if update.id in over and version_key(update.candidate) < over[update.id]:
            found.setdefault(update.id, update)
    return tuple(found.values())
