"""Fixtures: one endpoint on each kind of database, shared by the tests of a process, and some of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.authority import Authority
from tests.support.endpoint_server import Centre, Client, free_port
from tests.support.postgres import Cluster, cluster

DATABASES = [
    pytest.param("sqlite", marks=pytest.mark.xdist_group("endpoint-sqlite")),
    pytest.param("postgresql", marks=pytest.mark.xdist_group("endpoint-postgresql")),
]
Make = Callable[..., Centre]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the CA that agents and the endpoint believe."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Return a PostgreSQL cluster of our own."""
    with cluster() as running:
        yield running


@pytest.fixture(scope="session", params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of database in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared(
    kind: str, authority: Authority, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    """Return an endpoint that runs; tests keep out of each other's way by hosts of their own."""
    directory = tmp_path_factory.mktemp("centre")
    made = Centre(directory=directory, authority=authority, database=_url(kind, directory, request), port=free_port())
    made.configure()
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.journal


@pytest.fixture
def centre(shared: Centre) -> Iterator[Centre]:
    """Return the shared endpoint, and close this test's connections to it."""
    yield shared
    shared.hang_up()


@pytest.fixture
def make(kind: str, authority: Authority, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Return what makes an endpoint for one test alone, with settings of its own; it does not run yet."""
    with ExitStack() as stack:

        def made(**tables: dict[str, Any]) -> Centre:
            url = _url(kind, tmp_path, request)
            own = Centre(directory=tmp_path, authority=authority, database=url, port=free_port(), settings=tables)
            own.configure()
            stack.callback(own.end)
            return own

        yield made


@pytest.fixture(scope="session")
def token(shared: Centre) -> str:
    """Return a token that any host may use."""
    return shared.token("--name", "tests")


@pytest.fixture
def client(centre: Centre, token: str) -> Client:
    """Return an agent's connection."""
    return centre.client(token)


def _url(kind: str, directory: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{directory}/endpoint.db"
    running: Cluster = request.getfixturevalue("postgres")
    name = "d" + "".join(letter for letter in str(directory).lower() if letter.isalnum())[-50:]
    return running.create(name)
