"""Fixtures: booted machines; the agent is installed on them once for all tests of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.booted import booted
from tests.support.recorded import Kept, installed_layer
from tests.support.repository import Signer

Layers = tuple[Path, ...]


@pytest.fixture(scope="session", params=bases.table_codenames())
def booted_codename(request: pytest.FixtureRequest) -> str:
    """Return each release whose machines boot: the first alone, unless a run names its releases."""
    return str(request.param)


@pytest.fixture(scope="session")
def installed(
    booted_codename: str, deb: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Layers]:
    """Return the layers of a machine on which the agent is installed and has not checked yet."""
    with installed_layer(booted_codename, deb, signer, tmp_path_factory.mktemp("installed")) as layers:
        yield layers


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
