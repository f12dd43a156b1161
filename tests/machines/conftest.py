"""Fixtures: booted machines; the agent is installed on each kind of them once for all tests of a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.booted import booted
from tests.support.engine_archive import engine_layers
from tests.support.engine_packages import ce_layers
from tests.support.engines import EngineMachine, engine_machine, engine_options
from tests.support.once import once
from tests.support.recorded import Kept, install_layer, stop_daemon
from tests.support.repository import Signer

Layers = tuple[Path, ...]


@pytest.fixture(scope="session", params=bases.table_codenames())
def booted_codename(request: pytest.FixtureRequest) -> str:
    """Return each release whose machines boot: the first alone, unless a run names its releases."""
    return str(request.param)


@pytest.fixture(scope="session")
def installed(booted_codename: str, deb: Path, signer: Signer) -> Layers:
    """Return the layers of a machine on which the agent is installed and has not checked yet."""
    below = (bases.base(booted_codename, bases.BOOTED),)

    def make(directory: Path) -> None:
        install_layer(booted_codename, deb, signer, directory / "layer", below=below)

    return once(f"installed-{booted_codename}", make) / "layer", *below


@pytest.fixture
def own(booted_codename: str, installed: Layers, signer: Signer) -> Iterator[Kept]:
    """Return a machine for one test alone."""
    with booted(*installed) as running:
        yield Kept(running, signer, booted_codename)


@pytest.fixture(scope="module")
def shared(booted_codename: str, installed: Layers, signer: Signer) -> Iterator[Kept]:
    """Return a machine for those tests of a file that leave it as good as they found it."""
    with booted(*installed) as running:
        yield Kept(running, signer, booted_codename)


@pytest.fixture
def bare(booted_codename: str, deb: Path, signer: Signer) -> Iterator[Kept]:
    """Return a machine without the agent."""
    with booted(bases.base(booted_codename, bases.BOOTED)) as running:
        yield Kept.bare(running, signer, booted_codename, deb)


@pytest.fixture
def engine() -> Iterator[EngineMachine]:
    """Return a machine for one test alone on which Debian 12's engine runs, without the agent."""
    with engine_machine() as running:
        yield running


@pytest.fixture(scope="session")
def installed_beside_engine(deb: Path, signer: Signer) -> Layers:
    """Return the layers of a Debian 12 with its engine and the agent."""
    return _installed_beside("engine", engine_layers(), deb, signer)


@pytest.fixture(scope="session")
def installed_beside_docker_ce(deb: Path, signer: Signer) -> Layers:
    """Return the layers of a Debian 12 with Docker CE's packages and the agent."""
    return _installed_beside("docker-ce", ce_layers(), deb, signer)


def _installed_beside(name: str, below: Layers, deb: Path, signer: Signer) -> Layers:
    def make(directory: Path) -> None:
        with engine_options() as options:
            install_layer("bookworm", deb, signer, directory / "layer", below=below, options=options)

    return once(f"installed-beside-{name}", make) / "layer", *below


@pytest.fixture
def kept_engine(installed_beside_engine: Layers, signer: Signer) -> Iterator[tuple[Kept, EngineMachine]]:
    """Return a machine for one test alone, with the agent, whose daemon is stopped, and Debian 12's engine."""
    with engine_machine(layers=installed_beside_engine) as running:
        stop_daemon(running.machine)
        yield Kept(running.machine, signer, "bookworm"), running


@pytest.fixture
def kept_docker_ce(installed_beside_docker_ce: Layers, signer: Signer) -> Iterator[tuple[Kept, EngineMachine]]:
    """Return a machine for one test alone, with the agent, whose daemon is stopped, and Docker CE's packages."""
    with engine_machine(layers=installed_beside_docker_ce) as running:
        stop_daemon(running.machine)
        yield Kept(running.machine, signer, "bookworm"), running
