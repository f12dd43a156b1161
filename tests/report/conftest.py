"""Fixtures: a real endpoint with its CA, an agent with its state directory, and a failing proxy between them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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


@pytest.fixture
def endpoint(authority: Authority, tmp_path: Path) -> Iterator[EndpointServer]:
    """Return a running endpoint."""
    directory = tmp_path / "endpoint"
    directory.mkdir()
    url = f"sqlite:///{directory}/endpoint.db"
    client_ca: dict[str, object] = {"client_ca": str(authority.file), "client_certificates": "optional"}
    made = EndpointServer(
        directory=directory, authority=authority, database=url, port=free_port(), settings={"tls": client_ca}
    )
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.fixture
def agent(endpoint: EndpointServer, authority: Authority, tmp_path: Path) -> Iterator[ReportingAgent]:
    """Return an agent that sends to the endpoint directly."""
    token = private_file(tmp_path / "token", f"{endpoint.token('--name', 'tests')}\n")
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
