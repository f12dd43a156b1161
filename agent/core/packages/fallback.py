"""The next attempt after the resolver refused part of the admitted updates. Pure."""

from collections.abc import Iterable, Sequence

from agent.core.frozen import frozen
from agent.core.model.facts import Facts, Update
from agent.core.model.plan import Held, Resolution
from agent.core.model.scope import Scope
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup, held_with_group
from agent.core.packages.gates.registry import first_refusal
from agent.core.policy.policy import Policy


@frozen
class Fallback:
    """The next attempt, without some of the refused updates."""

    tried: tuple[Update, ...]
    """The updates to resolve next."""
    held: tuple[Held, ...]
    """The updates that are left out."""


def next_attempt(
    policy: Policy,
    facts: Facts,
    scope: Scope,
    tried: tuple[Update, ...],
    resolution: Resolution,
    groups: Sequence[AtomicGroup] = ATOMIC_GROUPS,
) -> Fallback | None:
    """Return what to try after the resolver's answer: a lower version, or less of an atomic group; None: accept it."""
    lower = _fallbacks(policy, facts, scope, resolution.refused)
    if lower:
        over = {update.id for update in lower}
        return Fallback(
            tried=(*(update for update in tried if update.id not in over), *lower),
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


def _fallbacks(policy: Policy, facts: Facts, scope: Scope, refused: Iterable[Held]) -> tuple[Update, ...]:
    """Return the security updates of packages whose higher version the resolver refused."""
    if scope is Scope.SECURITY:
        return ()
    over = {item.id: item.candidate for item in refused}
    return tuple(
        update
        for update in facts.updates
        if update.security
        and over.get(update.id, update.candidate) != update.candidate
        and first_refusal(policy, update) is None
    )
