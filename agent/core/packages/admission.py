"""Which updates the resolver may try: one per package, every gate open, no atomic group split. Pure."""

from collections.abc import Mapping, Sequence

from agent.core.frozen import frozen
from agent.core.model.facts import Facts, Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Refusal
from agent.core.model.scope import Scope
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup, held_with_group
from agent.core.packages.gates.registry import first_refusal
from agent.core.policy.policy import Policy


@frozen
class Admission:
    """Which updates the resolver may try, and which are held before it runs."""

    admitted: tuple[Update, ...]
    held: tuple[Held, ...]


def admit(
    policy: Policy,
    facts: Facts,
    scope: Scope,
    dropped: Mapping[PackageId, Refusal] | None = None,
    groups: Sequence[AtomicGroup] = ATOMIC_GROUPS,
) -> Admission:
    """Split the available updates into admitted ones, at most one per package, and held ones.

    `dropped` are the packages that this run no longer tries, each with the reason.
    """
    admitted: dict[PackageId, Update] = {}
    held: list[Held] = []
    for update in updates_in_scope(facts, scope):
        if update.id in admitted:
            continue
        refusal = (dropped or {}).get(update.id) or first_refusal(policy, update)
        if refusal is None:
            admitted[update.id] = update
        else:
            held.append(Held.of(update, refusal))
    apart = held_with_group(groups, held, admitted.values())
    kept = (update for update in admitted.values() if update not in apart)
    return Admission(admitted=tuple(kept), held=(*held, *(Held.of(one, refusal) for one, refusal in apart.items())))


def updates_in_scope(facts: Facts, scope: Scope) -> tuple[Update, ...]:
    """Return the updates of a scope; with `Scope.ALL` the highest version of a package comes first.

    Its security update follows, so that a higher version that is held does not hide it.
    """
    if scope is Scope.SECURITY:
        return tuple(update for update in facts.updates if update.security)
    return tuple(sorted(facts.updates, key=lambda one: (one.id, one.security)))
