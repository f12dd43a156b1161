"""What the agent never does, whatever the world, read from a machine's state before and after a run."""

from tests.support.world import State, World


def broken_laws(world: World, before: State, after: State) -> list[str]:
    """Return the laws that a run broke, each with the packages concerned."""
    laws = {
        "from an origin that is not allowed": _strangers(world, before, after),
        "removed": _removed(before, after),
        "on hold and touched": {name for name in before.held if before.packages[name] != after.packages.get(name)},
        "hold set or taken back": before.held ^ after.held,
        "marked otherwise": (before.automatic ^ after.automatic) & _there(before),
        "left unfinished": set() if world.breaks else set(after.audit.splitlines()),
    }
    return [f"{law}: {', '.join(sorted(names))}" for law, names in laws.items() if names]


def _strangers(world: World, before: State, after: State) -> set[str]:
    offered = {(one.name, one.version) for kind in world.allowed for one in world.offers.get(kind, ())}
    arrived = {name for name, now in after.packages.items() if _version(now) != _version(before.packages.get(name, ""))}
    return {name for name in arrived if (name.split(":")[0], _version(after.packages[name])) not in offered}


def _removed(before: State, after: State) -> set[str]:
    return _there(before) - _there(after)


def _there(state: State) -> set[str]:
    return {name for name, now in state.packages.items() if not now.startswith("config-files")}


def _version(spelled: str) -> str:
    return spelled.rpartition(" ")[2]
