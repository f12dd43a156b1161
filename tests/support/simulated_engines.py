"""Docker and Weave of a machine in memory, behind the ports of `agent.core.engine_ports`."""

from collections.abc import Mapping

from agent.core.engine_ports import Offer, Simulation
from agent.core.model.docker import NO_DOCKER, DockerFacts
from agent.core.model.engine_plan import PackageChange
from agent.core.model.weave import NO_WEAVE, WeaveFacts


class SimulatedEngines:
    """Tests set the attributes; the agent calls the methods of EngineObserver and EnginePackages."""

    def __init__(self) -> None:
        self.docker_facts: DockerFacts = NO_DOCKER
        self.weave_facts: WeaveFacts = NO_WEAVE
        self.offered: dict[str, tuple[str, ...]] = {}
        """Versions by package, newest first."""
        self.simulation: Simulation | None = None
        """The answer to every simulation; None: exactly the requested packages change."""

    def docker(self) -> DockerFacts:
        return self.docker_facts

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        del docker  # the port has it
        return self.weave_facts

    def offers(self, package: str) -> tuple[Offer, ...]:
        site = "Debian stable"
        return tuple(Offer(package=package, version=one, site=site) for one in self.offered.get(package, ()))

    def simulate(self, targets: Mapping[str, str]) -> Simulation:
        if self.simulation is not None:
            return self.simulation
        installed = {name: self.docker_facts.version_of(name) for name in targets}
        return Simulation(
            changes=tuple(
                PackageChange(package=name, before=installed[name], after=version)
                for name, version in targets.items()
                if installed[name] != version
            )
        )
