"""What plans and upgrades of Docker and Weave need from a machine, as protocols."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.core.model.docker import DockerFacts
from agent.core.model.engine_plan import PackageChange
from agent.core.model.weave import WeaveFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One version of a package that an authenticated source, or dpkg's database, has."""

    package: str
    version: str
    site: str
    """Where it comes from: origin and archive; empty if only the installed one is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What apt would do to bring some packages to exact versions."""

    changes: tuple[PackageChange, ...] = ()
    """Every package that changes, the requested ones included."""
    problem: str = ""
    """Why apt cannot do it; empty if it can."""
    download_bytes: int = 0
    installed_bytes: int = 0
    """How much the installed size grows."""


class EngineObserver(Protocol):
    """Observes Docker and Weave. Changes nothing and starts nothing."""

    def docker(self) -> DockerFacts:
        """Return what is known of Docker; quick if there is none."""

    def weave(self, docker: DockerFacts) -> WeaveFacts:
        """Return what is known of Weave, given what is known of Docker."""


class EnginePackages(Protocol):
    """The packages of the container runtime in apt. Every method may raise HostError."""

    def offers(self, package: str) -> tuple[Offer, ...]:
        """Return every version of a package, newest first; empty if there is none."""

    def simulate(self, targets: Mapping[str, str]) -> Simulation:
        """Return what installing exactly these versions by package name would change. Holds stay in force."""
