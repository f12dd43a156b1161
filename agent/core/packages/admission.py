"""Which updates the resolver may try: one per package, every gate open, no atomic group split. Pure."""

from collections.abc import Sequence

from agent.core.debian_version import version_key
from agent.core.frozen import frozen
from agent.core.model.facts import Facts, Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Held
from agent.core.model.scope import Scope
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup, held_with_group
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.gates.registry import first_refusal
from agent.core.policy.policy import Policy


@frozen
class Admission:
    """Which updates the resolver may try, and which are held before it runs."""

    admitted: tuple[Update, ...]
    held: tuple[Held, ...]
    lower: tuple[Update, ...] = ()
    """Lower versions of admitted packages that no gate holds, highest first: tried if the resolver refuses a higher."""


def admit(
    policy: Policy,
    facts: Facts,
    scope: Scope,
    dropped: Dropped = NOTHING_DROPPED,
    groups: Sequence[AtomicGroup] = ATOMIC_GROUPS,
) -> Admission:
    """Split the available updates into admitted ones, at most one per package, and held ones."""
    admitted: dict[PackageId, Update] = {}
    held: list[Held] = []
    lower: list[Update] = []
    for update in updates_in_scope(facts, scope):
        refusal = dropped.refusal(update) or first_refusal(policy, update)
        if refusal is None and admitted.setdefault(update.id, update) is not update:
            lower.append(update)
        elif refusal is not None and update.id not in admitted:
            held.append(Held.of(update, refusal))
    apart = held_with_group(groups, held, admitted.values())
    return Admission(
        admitted=tuple(update for update in admitted.values() if update not in apart),
        held=(*held, *(Held.of(one, refusal) for one, refusal in apart.items())),
        lower=tuple(lower),
    )


def updates_in_scope(facts: Facts, scope: Scope) -> tuple[Update, ...]:
    """Return the updates of a scope; in any but `Scope.SECURITY` the highest version of a package comes first.

    That is mostly the one from another origin; with `APT::Default-Release` it may be the security update. The lower one
    follows, so that a higher version that is held does not hide it.
    """
    if scope is Scope.SECURITY:
        return tuple(update for update in facts.updates if update.security)
    highest_first = sorted(facts.updates, key=lambda one: (version_key(one.candidate), one.security), reverse=True)
    return tuple(sorted(highest_first, key=lambda one: one.id))
