"""Docker and Weave of a machine in memory, behind the ports of `agent.core.engine_ports`."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from agent.core.engine_ports import Offer, Simulation
from agent.core.hooks import HookVerdict
from agent.core.model.docker import NO_DOCKER, Container, DockerFacts, RuntimePackage
from agent.core.model.engine_plan import PackageChange
from agent.core.model.weave import NO_WEAVE, WeaveFacts
from agent.errors import NoSpaceError
from tests.core.docker.given_docker import OLD, OLD_ENGINE, docker
from tests.core.given import BOOT
from tests.worker.steps.docker.fake_engine import FakeEngine
from tests.worker.steps.weave.fake_weave import FakeFiles, FakeWeave


class SimulatedHost:
    """The port EngineHost. Tests set the attributes."""

    def __init__(self) -> None:
        self.problem = ""
        """Why there is too little space."""
        self.verdicts: dict[str, HookVerdict] = {}
        """By directory; others have no hooks."""
        self.hooks: list[str] = []
        """The directories whose hooks were run, in order."""
        self.during: dict[str, Callable[[], None]] = {}
        """What happens while the hooks of a directory run."""

    def boot_id(self) -> str:
        return BOOT

    def require_space(self, *, download_bytes: int, installed_bytes: int) -> None:
        del download_bytes, installed_bytes  # the port has them
        if self.problem:
            raise NoSpaceError(self.problem, ())

    def run_hooks(self, name: str, document: Mapping[str, object]) -> HookVerdict:
        assert str(document["schema"]).startswith("maestro.engine-")
        self.hooks.append(name)
        self.during.get(name, lambda: None)()
        return self.verdicts.get(name, HookVerdict())


class SimulatedEngines:
    """Tests set the attributes; the agent calls the methods of EngineObserver and EnginePackages."""

    def __init__(self) -> None:
        self.docker_facts: DockerFacts = NO_DOCKER
        self.weave_facts: WeaveFacts = NO_WEAVE
        self.offered: dict[str, tuple[str, ...]] = {}
        """Versions by package, newest first."""
        self.simulation: Simulation | None = None
        """The answer to every simulation; None: exactly the requested packages change."""

        self.operator = FakeEngine(facts=NO_DOCKER)
        """What acts on the engine; it is what `docker` shows once `docker_facts` is set to it."""
        self.host = SimulatedHost()
        self.weave_fake = FakeWeave()
        self.weave_files = FakeFiles(self.weave_fake)
        self._has_weave = False
        self.on_hold: set[str] = set()
        """Packages on hold."""

    def install_engine(self, *containers: Container, version: str = OLD, **fields: Any) -> FakeEngine:
        """Have the fake engine be the one that is observed: docker.io in a version, running with containers."""
        engine = replace(OLD_ENGINE, version=version.partition("-")[0])
        facts = docker(*containers, **{"engine": engine, **fields})
        self.operator = FakeEngine(facts=facts, packages={"docker.io": (version, True)})
        self.docker_facts = facts
        return self.operator

    def present(self) -> bool:
        return self.docker_facts != NO_DOCKER or self.weave_facts != NO_WEAVE

    def docker(self) -> DockerFacts:
        if self.operator.facts is NO_DOCKER:
            return self.docker_facts
        packages = tuple(
            RuntimePackage(package=name, version=version, complete=complete, on_hold=name in self.on_hold)
            for name, (version, complete) in self.operator.packages.items()
        )
        return replace(self.operator.facts, packages=packages)

    def install_weave(self, weave: FakeWeave) -> None:
        """Have the fake Weave be the one that is observed."""
        self.weave_fake, self.weave_files, self._has_weave = weave, FakeFiles(weave), True

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        return self.weave_fake.weave(docker) if self._has_weave else self.weave_facts

    def offers(self, package: str) -> tuple[Offer, ...]:
        site = "Debian stable"
        return tuple(Offer(package=package, version=one, site=site) for one in self.offered.get(package, ()))

    def simulate(self, targets: Mapping[str, str], held: Collection[str] = ()) -> Simulation:
        del held  # what is on hold is seen by the plan
        if self.simulation is not None:
            return self.simulation
        seen = self.docker()
        installed = {name: seen.version_of(name) for name in targets}
        return Simulation(
            changes=tuple(
                PackageChange(package=name, before=installed[name], after=version)
                for name, version in targets.items()
                if installed[name] != version
            )
        )
