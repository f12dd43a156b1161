"""Two endpoint processes share one database: a key never gives more tokens than it may, a host never has two."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from endpoint.core.enrolment import EnrolmentStatus
from endpoint.errors import SpentKeyError
from endpoint.store.database import Database
from endpoint.store.enrolment_tables import ENROLMENT_KEYS, ENROLMENTS
from endpoint.store.enrolments import Enrolments
from endpoint.store.tables import TOKENS
from tests.endpoint.conftest import POSTGRESQL, database_url
from tests.support.authority import Authority
from tests.support.endpoint_server import Answer, EndpointServer, two_servers
from tests.support.enrolment import Newcomer

AGENTS = 24
USES = 9
CLONES = 8
RACES = 12
KILLS = 3


@pytest.fixture(scope="module", params=["sqlite", POSTGRESQL])
def kind(request: pytest.FixtureRequest) -> str:
    """Return both kinds, in a short run, too."""
    return str(request.param)


@pytest.fixture(scope="module")
def servers(
    kind: str, authority: Authority, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[EndpointServer]]:
    """Return two running servers, each with two processes, on one database."""
    directory = tmp_path_factory.mktemp("enrolment")
    url = database_url(kind, directory, request)
    with two_servers(directory, authority, url, {}) as made:
        yield made


@dataclass(kw_only=True)
class Answers:
    """What several threads got."""

    found: list[Answer] = field(default_factory=list)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: Answer) -> None:
        with self.mutex:
            self.found.append(answer)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.found)


def at_once(works: list[Callable[[], None]]) -> None:
    """Run all of these, started at the same moment."""
    barrier = threading.Barrier(len(works), timeout=60)

    def started(work: Callable[[], None]) -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=started, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def ask(servers: list[EndpointServer], turn: int, key: str, agent: Newcomer, answers: Answers) -> Callable[[], None]:
    """Return what asks one of the servers."""

    def asked() -> None:
        client = servers[turn % 2].client(key)
        answers.add(agent.ask(client))
        client.close()

    return asked


def valid_tokens(servers: list[EndpointServer], host: str) -> int:
    return int(
        value(servers, sa.select(sa.func.count()).where(TOKENS.c.host_id == host, TOKENS.c.revoked_at.is_(None)))
    )


def uses(servers: list[EndpointServer], key: str) -> int:
    return int(value(servers, sa.select(ENROLMENT_KEYS.c.uses).where(ENROLMENT_KEYS.c.id == key.split("_")[1])))


def value(servers: list[EndpointServer], wanted: sa.sql.Select) -> Any:
    database = Database(servers[0].database)
    with database.reading() as connection:
        found = connection.execute(wanted).scalar_one()
    database.close()
    return found


def test_a_key_is_used_as_often_as_it_may_be_by_many_at_once(servers: list[EndpointServer]) -> None:
    key, answers = servers[0].token("--enrol", "--uses", str(USES)), Answers()
    agents = [Newcomer() for _ in range(AGENTS)]

    at_once([ask(servers, turn, key, agent, answers) for turn, agent in enumerate(agents)])

    assert answers.statuses == {201: USES, 410: AGENTS - USES}
    assert uses(servers, key) == USES
    assert sum(valid_tokens(servers, agent.host_id) for agent in agents) == USES


def test_approved_hosts_hold_the_limit_of_their_key_too(servers: list[EndpointServer]) -> None:
    """As many persons approve at once as hosts ask at once afterwards, more than the key may give."""
    key, answers = servers[0].token("--enrol", "--approve", "--uses", str(USES)), Answers()
    agents = [Newcomer() for _ in range(AGENTS)]
    at_once([ask(servers, turn, key, agent, answers) for turn, agent in enumerate(agents)])
    assert answers.statuses == {202: AGENTS}
    database = Database(servers[0].database, connections=AGENTS)
    enrolments = Enrolments(database)

    def approve(identity: str) -> None:
        with suppress(SpentKeyError):
            enrolments.decide(identity, approve=True, person="ann", now=datetime.now(timezone.utc))

    waiting = [one.id for one in enrolments.all(EnrolmentStatus.WAITING) if one.key.id == key.split("_")[1]]
    at_once([partial(approve, identity) for identity in waiting])
    approved = [one for one in enrolments.all(EnrolmentStatus.APPROVED) if one.key.id == key.split("_")[1]]
    with database.writing() as connection:  # as an endpoint did that counted no approvals
        these = sa.and_(ENROLMENTS.c.key_id == key.split("_")[1], ENROLMENTS.c.status == EnrolmentStatus.WAITING.value)
        connection.execute(sa.update(ENROLMENTS).where(these).values(status=EnrolmentStatus.APPROVED.value))
    database.close()

    answers = Answers()
    at_once([ask(servers, turn, key, agent, answers) for turn, agent in enumerate(agents)])

    assert len(approved) == USES
    assert answers.statuses == {201: USES, 410: AGENTS - USES}
    assert uses(servers, key) == USES


def test_one_of_many_that_claim_a_host_gets_it_and_the_others_wait(servers: list[EndpointServer]) -> None:
    keys, answers, host = [servers[0].token("--enrol") for _ in range(2)], Answers(), str(uuid.uuid4())

    at_once([ask(servers, turn, keys[turn // 2 % 2], Newcomer(host_id=host), answers) for turn in range(CLONES)])

    assert answers.statuses == {201: 1, 202: CLONES - 1}
    assert valid_tokens(servers, host) == 1
    assert sum(uses(servers, key) for key in keys) == 1


def test_the_same_ask_many_times_at_once_leaves_one_token(servers: list[EndpointServer]) -> None:
    key, answers, agent = servers[0].token("--enrol", "--uses", "1"), Answers(), Newcomer()

    at_once([ask(servers, turn, key, agent, answers) for turn in range(CLONES)])

    assert answers.statuses == {201: CLONES}
    assert (valid_tokens(servers, agent.host_id), uses(servers, key)) == (1, 1)
    database = Database(servers[0].database)
    with database.reading() as connection:
        wanted = sa.select(TOKENS.c.id).where(TOKENS.c.host_id == agent.host_id, TOKENS.c.revoked_at.is_(None))
        (last,) = connection.execute(wanted).scalars()
    database.close()
    (token,) = [text for answer in answers.found if (text := str(answer.json["token"])).split("_")[1] == last]
    assert agent.report(servers[0].client(token)).status == 200


def test_a_first_use_and_a_repetition_at_once_leave_one_token_that_works(servers: list[EndpointServer]) -> None:
    """Either the use comes first, and the repetition waits; or the repetition does, and the use is rejected."""
    key, seen = servers[0].token("--enrol"), Counter[tuple[int, int]]()
    for _ in range(RACES):
        agent, used, again = Newcomer(), Answers(), Answers()
        token = str(agent.ask(servers[0].client(key)).json["token"])

        def use(agent: Newcomer = agent, token: str = token, used: Answers = used) -> None:
            used.add(agent.report(servers[1].client(token)))

        at_once([use, ask(servers, 0, key, agent, again)])

        outcome = (used.found[0].status, again.found[0].status)
        seen[outcome] += 1
        assert outcome in {(200, 202), (401, 201)}
        assert valid_tokens(servers, agent.host_id) == 1
    print(seen)


@dataclass(kw_only=True)
class Insistent:
    """An agent that asks until it has an answer, and then uses its token."""

    agent: Newcomer
    servers: list[EndpointServer]
    key: str
    reported: int = 0

    def run(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not self.reported:
            for server in self.servers:
                client = server.client(self.key)
                try:
                    answer = self.agent.ask(client)
                    if answer.status == 201 and self._report(server, str(answer.json["token"])):
                        return
                except (OSError, HTTPException):
                    pass
                finally:
                    client.close()
                time.sleep(0.02)

    def _report(self, server: EndpointServer, token: str) -> bool:
        """Insist: with a used token there is no other way."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            client = server.client(token)
            try:
                self.reported = self.agent.report(client).status
            except (OSError, HTTPException):
                time.sleep(0.05)
            else:
                return True
            finally:
                client.close()
        return False


def test_every_agent_gets_one_token_though_servers_are_killed(servers: list[EndpointServer]) -> None:
    key = servers[0].token("--enrol", "--uses", str(AGENTS))
    agents = [Insistent(agent=Newcomer(), servers=servers[:: 1 if n % 2 else -1], key=key) for n in range(AGENTS)]
    threads = [threading.Thread(target=one.run) for one in agents]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for number in range(KILLS):
        servers[number % 2].kill()
        servers[number % 2].start()
        time.sleep(0.2)
    for thread in threads:
        thread.join(180)

    assert [one.reported for one in agents] == [200] * AGENTS
    assert uses(servers, key) == AGENTS
    assert {valid_tokens(servers, one.agent.host_id) for one in agents} == {1}
    assert Path(servers[0].directory, "journal").read_text().count("Traceback") == 0
