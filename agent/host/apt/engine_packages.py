"""The packages of the container runtime in apt, behind the port `agent.core.engine_ports.EnginePackages`."""

from collections.abc import Mapping

from agent.core.engine_ports import Offer, Simulation


class AptEnginePackages:
    """apt's packages, opened for each question."""

    def offers(self, package: str) -> tuple[Offer, ...]:
        """Return every version of a package, newest first; empty if there is none."""
        del package
        return ()

    def simulate(self, targets: Mapping[str, str]) -> Simulation:
        """Return what installing exactly these versions by package name would change. Holds stay in force."""
        del targets
        return Simulation(problem="not built yet")
