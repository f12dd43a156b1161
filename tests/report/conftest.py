"""Fixtures: a real centre with a CA of its own, an agent with a record of its own, and a proxy between that fails."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.report.installation import Sender
from tests.support.authority import Authority
from tests.support.endpoint_server import Centre, free_port
from tests.support.fault_proxy import FaultProxy, private_file

Between = Callable[..., tuple[Sender, FaultProxy]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the CA that the agent and the centre believe."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ours")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a CA that nobody believes."""
    return Authority.make(tmp_path_factory.mktemp("stranger") / "theirs")


@pytest.fixture
def centre(authority: Authority, tmp_path: Path) -> Iterator[Centre]:
    """Return a running endpoint."""
    directory = tmp_path / "centre"
    directory.mkdir()
    url = f"sqlite:///{directory}/endpoint.db"
    client_ca: dict[str, object] = {"client_ca": str(authority.file), "client_certificates": "optional"}
    made = Centre(directory=directory, authority=authority, database=url, port=free_port(), settings={"tls": client_ca})
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.fixture
def sender(centre: Centre, authority: Authority, tmp_path: Path) -> Iterator[Sender]:
    """Return an agent that speaks to the centre without anything between."""
    token = private_file(tmp_path / "token", f"{centre.token('--name', 'tests')}\n")
    made = Sender(directory=tmp_path)
    made.configure(port=centre.port, token_file=str(token), ca_file=str(authority.file))
    yield made
    made.kill_daemon()


@pytest.fixture
def between(sender: Sender, centre: Centre, authority: Authority, stranger: Authority) -> Iterator[Between]:
    """Return what puts a proxy between an agent and the centre that fails as it is told."""
    with ExitStack() as stack:

        def put(choose: Callable[[tuple[str, ...]], str], **settings: object) -> tuple[Sender, FaultProxy]:
            proxy = FaultProxy(authority=authority, stranger=stranger, centre_port=centre.port, choose=choose)
            stack.enter_context(proxy)
            sender.configure(port=proxy.port, **settings)
            return sender, proxy

        yield put
