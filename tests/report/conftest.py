"""Fixtures: a real endpoint with its CA, an agent with its state directory, and a failing proxy between them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.report.installation import ReportingAgent
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.fault_proxy import FaultProxy, private_file

Between = Callable[..., tuple[ReportingAgent, FaultProxy]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the CA that the agent and the endpoint trust."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a CA that nobody trusts."""
    return Authority.make(tmp_path_factory.mktemp("stranger") / "theirs")


@pytest.fixture(scope="session")
def shared_endpoint(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointServer]:
    """Return an endpoint that is started once."""
    directory = tmp_path_factory.mktemp("endpoint")
    url = f"sqlite:///{directory}/endpoint.db"
    client_ca: dict[str, object] = {"client_ca": str(authority.file), "client_certificates": "optional"}
    made = EndpointServer(
        directory=directory, authority=authority, database=url, port=free_port(), settings={"tls": client_ca}
    )
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.fixture(scope="session")
def endpoint_token(shared_endpoint: EndpointServer) -> str:
    """Return a token of that endpoint."""
    return shared_endpoint.token("--name", "tests")


@pytest.fixture
def endpoint(shared_endpoint: EndpointServer) -> EndpointServer:
    """Return a running endpoint that has heard of no machine."""
    if shared_endpoint.process is None:
        shared_endpoint.start()
    with closing(sqlite3.connect(shared_endpoint.directory / "endpoint.db", timeout=30)) as database, database:
        for table in ("states", "events", "losses", "refusals", "streams"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608 - its names are above
    return shared_endpoint


@pytest.fixture
def agent(
    endpoint: EndpointServer, endpoint_token: str, authority: Authority, tmp_path: Path
) -> Iterator[ReportingAgent]:
    """Return an agent that sends to the endpoint directly."""
    token = private_file(tmp_path / "token", f"{endpoint_token}\n")
    made = ReportingAgent(directory=tmp_path)
    made.configure(port=endpoint.port, token_file=str(token), ca_file=str(authority.file))
    yield made
    made.kill_daemon()


@pytest.fixture
def between(
    agent: ReportingAgent, endpoint: EndpointServer, authority: Authority, stranger: Authority
) -> Iterator[Between]:
    """Return a function that puts a failing proxy between an agent and the endpoint."""
    with ExitStack() as stack:

        def put(choose: Callable[[tuple[str, ...]], str], **settings: object) -> tuple[ReportingAgent, FaultProxy]:
            proxy = FaultProxy(authority=authority, stranger=stranger, endpoint_port=endpoint.port, choose=choose)
            stack.enter_context(proxy)
            agent.configure(port=proxy.port, **settings)
            return agent, proxy

        yield put
