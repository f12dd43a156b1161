"""Which packages of Docker change, and why they may not. Pure."""

from collections.abc import Callable, Collection, Mapping

from agent.core.debian_version import version_key
from agent.core.docker.versions import choose, may_be_chosen, parse_request, release_key, upstream
from agent.core.engine_ports import Offer, Simulation
from agent.core.frozen import frozen
from agent.core.model.docker import DockerFacts, Flavour, RunningEngine
from agent.core.model.engine_plan import Block, EngineWhy, PackageChange
from agent.core.policy.distro import Distro
from agent.core.version_numbers import version_numbers

MAIN = {Flavour.DOCKER_IO: "docker.io", Flavour.DOCKER_CE: "docker-ce"}
_CLIENT = "docker-cli"
"""May be removed: before 26 docker.io has the client itself and conflicts with this package."""
RESTARTS_ENGINE = "docker-ce"
"""Its postinst restarts the engine (docker-ce-packaging); that of docker.io does not."""
_OTHER = {"docker.io": "docker-ce", "docker-ce": "docker.io"}


@frozen
class DockerOptions:
    """What an operator allows, and the release of the distribution."""

    distro: Distro
    allow_downgrade: bool = False
    allow_major_downgrade: bool = False
    remove_containers: bool = False
    live_restore: bool = False
    change_held: bool = False
    """Whether engine and client may be changed although they are on hold; the hold is in force again afterwards."""


@frozen
class PackagePorts:
    """The methods of `EnginePackages`; each may raise HostError."""

    offers: Callable[[str], tuple[Offer, ...]]
    simulate: Callable[[Mapping[str, str], Collection[str]], Simulation]


@frozen
class Resolved:
    """The packages of an upgrade."""

    candidate: str | None = None
    changes: tuple[PackageChange, ...] = ()
    blocks: tuple[Block, ...] = ()
    major_downgrade: bool = False


def resolve(facts: DockerFacts, wanted: str, ports: PackagePorts, options: DockerOptions) -> Resolved:
    """Return the exact versions for a request of the manifest. Raises HostError."""
    main = MAIN[facts.flavour]
    installed = facts.version_of(main) or ""
    request = parse_request(wanted)
    choice = choose(request, ports.offers(main), options.distro, installed)
    if choice.offer is None:
        if choice.pinned:
            return Resolved(blocks=(Block(why=EngineWhy.PINNED, values=(wanted, f"{main} {choice.pinned}")),))
        other = choose(request, ports.offers(_OTHER[main]), options.distro).offer
        if other is not None:
            return Resolved(blocks=(Block(why=EngineWhy.FLAVOUR_MISMATCH, values=(wanted, main, other.package)),))
        return Resolved(blocks=(Block(why=EngineWhy.VERSION_UNAVAILABLE, values=(wanted, *choice.nearest)),))
    version = choice.offer.version
    older = version_key(version) < version_key(installed)
    if version == installed or (older and release_key(version) == release_key(installed)):
        return Resolved(candidate=upstream(installed))
    targets = _targets(facts, main, version, ports)
    may_change = frozenset(targets) if options.change_held else frozenset[str]()
    simulation = ports.simulate(targets, may_change)
    refused, major = _downgrade(facts, installed, version, options) if older else ((), False)
    return Resolved(
        candidate=upstream(version),
        changes=simulation.changes,
        blocks=(*refused, *_simulated(facts, main, simulation, may_change)),
        major_downgrade=major,
    )


def _targets(facts: DockerFacts, main: str, version: str, ports: PackagePorts) -> dict[str, str]:
    """Name the client, too: docker.io only recommends it, and docker-ce depends on any version of it."""
    if main == "docker-ce":
        extras = "docker-ce-rootless-extras"
        more = {extras: version} if facts.version_of(extras) else {}
        return {main: version, "docker-ce-cli": version, **more}
    has_client = any(one.version == version and may_be_chosen(one.priority) for one in ports.offers(_CLIENT))
    return {main: version, **({_CLIENT: version} if has_client else {})}


def _downgrade(
    facts: DockerFacts, installed: str, version: str, options: DockerOptions
) -> tuple[tuple[Block, ...], bool]:
    store = isinstance(facts.engine, RunningEngine) and facts.engine.containerd_store
    major = store or version_numbers(version)[:1] != version_numbers(installed)[:1]
    allowed = options.allow_major_downgrade or (options.allow_downgrade and not major)
    flag = "--allow-major-downgrade" if major else "--allow-downgrade"
    values = (upstream(installed), upstream(version), flag)
    return (() if allowed else (Block(why=EngineWhy.DOWNGRADE_REFUSED, values=values),)), major


def _simulated(facts: DockerFacts, main: str, simulation: Simulation, may_change: Collection[str]) -> tuple[Block, ...]:
    changed = {one.package for one in simulation.changes}
    held = [one.package for one in facts.packages if one.on_hold and one.package not in may_change]
    in_the_way = sorted(name for name in held if simulation.problem or name in {*changed, main})
    removed = [one.package for one in simulation.changes if one.after is None and one.package != _CLIENT]
    blocks = []
    if in_the_way:
        blocks.append(Block(why=EngineWhy.HELD_BY_ADMIN, values=tuple(in_the_way)))
    elif simulation.problem:
        blocks.append(Block(why=EngineWhy.BROKEN_DEPENDENCY, values=(simulation.problem,)))
    if removed:
        blocks.append(Block(why=EngineWhy.WOULD_REMOVE, values=tuple(sorted(removed))))
    if changed_others := _changed_others(facts, simulation):
        blocks.append(Block(why=EngineWhy.WOULD_CHANGE, values=changed_others))
    return tuple(blocks)


def _changed_others(facts: DockerFacts, simulation: Simulation) -> tuple[str, ...]:
    """Describe the changes of installed packages that are not of the runtime; new dependencies are no such change."""
    return tuple(
        f"{one.package} {one.before} -> {one.after}"
        for one in simulation.changes
        if one.before is not None and one.after is not None and facts.version_of(one.package) is None
    )
