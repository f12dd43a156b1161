"""Invariants of every run in every world, checked on a machine's state before and after."""

from tests.support.world import State, World


def broken_invariants(world: World, before: State, after: State) -> list[str]:
    """Return the broken invariants, each with the packages concerned."""
    broken = {
        "from an origin that is not allowed": _from_other_origins(world, before, after),
        "removed": _removed(world, before, after),
        "on hold and changed": {name for name in before.held if before.packages[name] != after.packages.get(name)},
        "hold set or removed": before.held ^ after.held,
        "automatic mark changed": (before.automatic ^ after.automatic) & _installed(before) & _installed(after),
        "left unfinished": set() if world.breaks else set(after.audit.splitlines()),
    }
    return [f"{invariant}: {', '.join(sorted(names))}" for invariant, names in broken.items() if names]


def _from_other_origins(world: World, before: State, after: State) -> set[str]:
    offered = {(one.name, one.version) for kind in world.allowed for one in world.offers.get(kind, ())}
    arrived = {name for name, now in after.packages.items() if _version(now) != _version(before.packages.get(name, ""))}
    return {name for name in arrived if (name.split(":")[0], _version(after.packages[name])) not in offered}


def _removed(world: World, before: State, after: State) -> set[str]:
    """Return the removed packages, where the world asks for that all but the automatically installed ones."""
    gone = _installed(before) - _installed(after)
    return gone - before.automatic if "remove_unused" in world.config else gone


def _installed(state: State) -> set[str]:
    return {name for name, now in state.packages.items() if not now.startswith("config-files")}


def _version(spelled: str) -> str:
    return spelled.rpartition(" ")[2]
