"""Fixtures: an endpoint in this process for most tests, and real servers and a PostgreSQL cluster for the others.

`make test-all` (MAESTRO_TEST_THOROUGH) runs every test on PostgreSQL as well; else test_postgresql.py alone does.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endpoint.http import admission
from endpoint.store.database import Database
from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import Client, EndpointServer, free_port
from tests.support.local_endpoint import LocalClient, LocalEndpoint
from tests.support.postgres import Cluster, cluster

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("endpoint-postgresql"))
DATABASES = ["sqlite", POSTGRESQL] if bases.thorough() else ["sqlite"]
CHECKOUT = Path(__file__).resolve().parent.parent.parent
MakeEndpoint = Callable[..., LocalEndpoint]
MakeServer = Callable[..., EndpointServer]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the CA that agents and the endpoint trust."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Return a PostgreSQL cluster for these tests alone, in memory: no test cuts the power, and each start syncs."""
    small = "-c shared_buffers=32MB"  # each of pytest's processes has a cluster
    with cluster(Path("/dev/shm"), small) as running:  # noqa: S108 - a directory with a random name is made there
        yield running


@pytest.fixture(scope="session", params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of database in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEndpoint]:
    """Return an endpoint in this process; each test uses its own hosts."""
    directory = tmp_path_factory.mktemp("endpoint")
    made = LocalEndpoint(directory=directory, database=database_url(kind, directory, request))
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.fixture
def endpoint(shared: LocalEndpoint) -> Iterator[LocalEndpoint]:
    """Return the shared endpoint with an empty journal."""
    with shared.logging():
        yield shared


@pytest.fixture
def client(endpoint: LocalEndpoint) -> LocalClient:
    """Return a client with a token for any host."""
    return endpoint.client(endpoint.any_host_token)


@dataclass(kw_only=True)
class Clock:
    """The time that rate limits see."""

    now_s: float = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have rate limits see time pass only as the test says: a slow machine would earn another request meanwhile."""
    clock = Clock()
    monkeypatch.setattr(admission, "time", clock)
    return clock


@pytest.fixture
def make_endpoint(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeEndpoint]:
    """Return what starts an endpoint in this process for one test alone, with its own settings."""
    with ExitStack() as stack:

        def made(**tables: dict[str, Any]) -> LocalEndpoint:
            own = LocalEndpoint(directory=tmp_path, database=database_url(kind, tmp_path, request), settings=tables)
            own.configure()
            own.start()
            stack.callback(own.end)
            stack.enter_context(own.logging())
            return own

        yield made


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database."""
    made = Database(database_url(kind, tmp_path, request))
    made.create()
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointServer]:
    """Return a running server."""
    directory = tmp_path_factory.mktemp("server")
    made = EndpointServer(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port()
    )
    made.configure()
    made.start()
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.journal


@pytest.fixture
def server(shared_server: EndpointServer) -> Iterator[EndpointServer]:
    """Return the shared server, and close this test's connections to it."""
    yield shared_server
    shared_server.hang_up()


@pytest.fixture(scope="session")
def token(shared_server: EndpointServer) -> str:
    """Return a token for any host, valid on the shared server."""
    return shared_server.token("--name", "tests")


@pytest.fixture
def agent(server: EndpointServer, token: str) -> Client:
    """Return a connection to the shared server with that token."""
    return server.client(token)


@pytest.fixture
def make_server(
    kind: str, authority: Authority, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[MakeServer]:
    """Return what makes a server for one test alone, with its own settings; it does not run yet."""
    with ExitStack() as stack:

        def made(**tables: dict[str, Any]) -> EndpointServer:
            url = database_url(kind, tmp_path, request)
            own = EndpointServer(
                directory=tmp_path, authority=authority, database=url, port=free_port(), settings=tables
            )
            own.configure()
            stack.callback(own.end)
            return own

        yield made


def database_url(kind: str, directory: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{directory}/endpoint.db"
    running: Cluster = request.getfixturevalue("postgres")
    name = "d" + "".join(letter for letter in str(directory).lower() if letter.isalnum())[-50:]
    return running.create(name)
