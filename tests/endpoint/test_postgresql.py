"""PostgreSQL: smoke, durability, concurrency and retention; `make test-all` runs all the other tests on it, too."""

from collections.abc import Callable, Iterator

import pytest

from tests.endpoint.conftest import MakeServer, database_url

# These run here on PostgreSQL, by the fixtures below.
from tests.endpoint.test_abuse import (  # noqa: F401
    test_a_centre_whose_clock_was_ahead_finds_hosts_silent_again,
    test_numbers_at_the_edge_spoil_no_table,
    test_text_that_no_database_takes_hurts_nobody,
)
from tests.endpoint.test_durability import (  # noqa: F401
    test_commits_wait_for_the_disk,
    test_killed_under_load_it_keeps_all_that_it_acknowledged,
    test_two_that_send_the_same_at_once_store_it_once,
)
from tests.endpoint.test_heartbeats import (  # noqa: F401
    test_a_heartbeat_that_says_nothing_new_is_answered_with_nothing,
    test_of_an_unknown_outbox_nothing_is_stored_and_the_state_is_asked_for,
)
from tests.endpoint.test_messages import (  # noqa: F401
    test_a_bad_body_is_refused_alone_and_its_sequence_is_accounted_for,
    test_a_batch_of_every_kind_is_accepted_in_order,
    test_a_gap_that_the_agent_declares_is_explained,
    test_a_key_with_other_content_is_refused,
    test_a_sequence_with_another_key_is_refused,
    test_events_out_of_order_are_accepted_and_close_the_gap,
    test_only_the_latest_state_counts,
    test_the_fleet_says_who_is_pending_held_and_to_reboot,
)
from tests.endpoint.test_migrations import (  # noqa: F401
    test_a_database_of_an_older_version_is_upgraded_with_all_that_is_in_it,
    test_a_new_database_is_as_described,
    test_processes_that_start_at_once_on_an_empty_database_do_not_clash,
)
from tests.endpoint.test_retention import (  # noqa: F401
    test_a_clock_that_leaps_throws_nothing_away_for_a_day,
    test_messages_that_come_while_it_goes_on_are_stored_once,
    test_old_events_go_and_are_known_when_they_come_again,
    test_one_of_many_processes_is_told_to_once_an_hour,
    test_thousands_go_in_small_steps,
    test_what_explained_the_gaps_goes_with_them_and_what_explains_others_stays,
    test_who_was_silent_for_long_is_shown_no_more_and_known_again,
)
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


def test_with_the_database_gone_agents_are_asked_to_come_again(make_server: MakeServer, postgres: Cluster) -> None:
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


def test_what_is_asked_after_the_database_was_restarted_is_answered(make_server: MakeServer, postgres: Cluster) -> None:
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
