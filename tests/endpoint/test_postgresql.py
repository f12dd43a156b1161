"""PostgreSQL: smoke, durability, concurrency and retention; `make test-all` runs all the other tests on it, too."""

from collections.abc import Callable, Iterator

import pytest

from tests.endpoint.conftest import MakeServer, database_url

# These run here on PostgreSQL, by the fixtures below.
from tests.support.endpoint_server import EndpointServer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.postgres import Cluster

pytestmark = pytest.mark.xdist_group("endpoint-postgresql")


@pytest.fixture(scope="module")
def kind() -> str:
    return "postgresql"


@pytest.fixture(scope="module")
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEndpoint]:
    directory = tmp_path_factory.mktemp("endpoint-on-postgresql")
    made = LocalEndpoint(directory=directory, database=database_url("postgresql", directory, request))
    made.configure()
    made.start()
    yield made
    made.end()


@pytest.fixture
def endpoint(started: LocalEndpoint) -> Iterator[LocalEndpoint]:
    with started.logging():
        yield started


def test_an_unreachable_database_is_503_with_retry_after(make_server: MakeServer, postgres: Cluster) -> None:
    server = make_server()
    server.start()
    agent = server.client(server.token())
    box = Outbox()
    first, second = box.event(), box.event()
    assert agent.post(box.batch(first)).status == 200

    postgres.stop("immediate")
    gone = [agent.post(box.batch(second)), agent.get("/v1/health")]
    postgres.start()
    back = agent.post(box.batch(first, second))

    assert [answer.status for answer in gone] == [503, 503]
    assert int(gone[0].headers["Retry-After"]) > 0
    assert back.statuses == ["duplicate", "accepted"]
    assert agent.get("/v1/health").status == 200


def test_requests_succeed_after_a_database_restart(make_server: MakeServer, postgres: Cluster) -> None:
    server = make_server()
    server.start()
    token, admin = server.token(), server.token("--admin")
    box = Outbox()
    asking: list[Callable[[], int]] = [
        lambda: server.client(new_token(server)).post(box.batch(box.event())).status,
        lambda: server.client(admin).get("/v1/fleet").status,
        lambda: server.client().get("/v1/health").status,
        lambda: server.client(token).post(box.batch(box.event())).status,
    ]

    found = []
    for ask in asking:
        assert server.client(token).post(box.batch(box.event())).status == 200
        postgres.stop("fast")
        postgres.start()
        found.append(ask())

    assert found == [200] * len(asking)


def new_token(server: EndpointServer) -> str:
    return server.token("--name", "never seen before")
