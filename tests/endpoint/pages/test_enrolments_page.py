"""`/enrolments`: who waits for approval, and a person who decides."""

import html

import pytest
import sqlalchemy as sa

from endpoint.core.enrolment import EnrolmentStatus, EnrolmentWhy
from endpoint.core.people import PersonRole
from endpoint.http.pages.enrolments import WHY
from endpoint.store.enrolments import Enrolments
from endpoint.store.people_tables import AUDIT
from tests.endpoint.conftest import MakeEndpoint
from tests.support.enrolment import Newcomer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor, visitor

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m'\""


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


def ask(endpoint: LocalEndpoint, *agents: Newcomer, uses: int = 100) -> str:
    """Let agents ask with a key that needs approval; return the key."""
    key = endpoint.token("--enrol", "--approve", "--name", "cloud", "--uses", str(uses))
    assert {agent.ask(endpoint.client(key)).status for agent in agents} == {202}
    return key


def ids(endpoint: LocalEndpoint, *agents: Newcomer) -> list[str]:
    found = {one.host_id: one.id for one in Enrolments(endpoint.opened).all()}
    return [found[agent.host_id] for agent in agents]


def statuses(endpoint: LocalEndpoint, *agents: Newcomer) -> list[EnrolmentStatus]:
    found = {one.host_id: one.status for one in Enrolments(endpoint.opened).all()}
    return [found[agent.host_id] for agent in agents]


def page(person: Visitor, path: str = "/enrolments") -> str:
    answer = person.get(path)
    assert answer.status == 200
    return html.unescape(answer.body.decode())


def test_an_endpoint_where_nobody_waits_shows_how_hosts_enrol(endpoint: LocalEndpoint) -> None:
    assert "maestro-endpoint token add --enrol" in page(visitor(endpoint))


def test_who_waits_is_shown_with_the_reason_and_on_the_list_of_hosts(endpoint: LocalEndpoint) -> None:
    agents = Newcomer(name="web-9"), Newcomer(name=None)
    ask(endpoint, *agents)

    shown = page(visitor(endpoint))

    assert all(text in shown for text in ("web-9", *(agent.host_id for agent in agents), "cloud"))
    assert shown.count(WHY[EnrolmentWhy.APPROVAL_REQUIRED]) == 2
    assert "2 hosts wait for approval" in page(visitor(endpoint), "/hosts")


def test_the_ticked_hosts_are_approved_and_the_others_wait(endpoint: LocalEndpoint) -> None:
    agents = [Newcomer() for _ in range(3)]
    key, person = ask(endpoint, *agents), visitor(endpoint, name="ann")

    answer = person.submit("/enrolments", {"id": ids(endpoint, *agents[:2]), "do": "approve"})

    assert (answer.status, answer.headers["Location"]) == (303, "/enrolments")
    waiting, approved = EnrolmentStatus.WAITING, EnrolmentStatus.APPROVED
    assert statuses(endpoint, *agents) == [approved, approved, waiting]
    assert [agent.ask(endpoint.client(key)).status for agent in agents] == [201, 201, 202]
    with endpoint.opened.reading() as connection:
        wanted = sa.select(AUDIT.c.person, AUDIT.c.address).where(AUDIT.c.action == "enrolment-approved")
        assert connection.execute(wanted).all() == [("ann", person.address)] * 2


def test_more_hosts_than_a_key_may_enrol_are_not_approved_and_the_page_says_why(endpoint: LocalEndpoint) -> None:
    agents = [Newcomer() for _ in range(3)]
    key, person = ask(endpoint, *agents, uses=2), visitor(endpoint)
    assert "Its key has no use left" not in page(person)

    assert person.submit("/enrolments", {"id": ids(endpoint, *agents), "do": "approve"}).status == 303

    waiting, approved = EnrolmentStatus.WAITING, EnrolmentStatus.APPROVED
    assert statuses(endpoint, *agents) == [approved, approved, waiting]
    assert page(person).count("Its key has no use left") == 1
    assert [agent.ask(endpoint.client(key)).status for agent in agents] == [201, 201, 410]


def test_a_refused_host_can_be_approved_later(endpoint: LocalEndpoint) -> None:
    agent, person = Newcomer(name="web-9"), visitor(endpoint)
    key = ask(endpoint, agent)

    assert person.submit("/enrolments", {"id": ids(endpoint, agent), "do": "refuse"}).status == 303
    assert agent.ask(endpoint.client(key)).status == 403
    assert "web-9" in page(person)
    assert person.submit("/enrolments", {"id": ids(endpoint, agent), "do": "approve"}).status == 303
    assert agent.ask(endpoint.client(key)).status == 201


@pytest.mark.parametrize("values", [{}, {"do": "approve"}, {"id": "x"}, {"id": "x", "do": "delete"}], ids=str)
def test_a_bad_form_changes_nothing(endpoint: LocalEndpoint, values: dict[str, object]) -> None:
    agent = Newcomer()
    ask(endpoint, agent)
    values = {name: ids(endpoint, agent) if value == "x" else value for name, value in values.items()}

    assert visitor(endpoint).submit("/enrolments", values).status == 400
    assert statuses(endpoint, agent) == [EnrolmentStatus.WAITING]


def test_a_form_of_another_site_changes_nothing(endpoint: LocalEndpoint) -> None:
    agent, person = Newcomer(), visitor(endpoint)
    ask(endpoint, agent)
    values = {"id": ids(endpoint, agent), "do": "approve"}

    assert person.post_form("/enrolments", values).status == 403
    assert person.submit("/enrolments", values, Sec_Fetch_Site="cross-site").status == 403
    assert statuses(endpoint, agent) == [EnrolmentStatus.WAITING]


@pytest.mark.parametrize(
    ("role", "tags"),
    [(PersonRole.VIEWER, None), (PersonRole.OPERATOR, None), (PersonRole.OPERATOR, {"web"})],
    ids=["viewer", "operator", "limited operator"],
)
def test_only_an_administrator_sees_and_decides(
    endpoint: LocalEndpoint, role: PersonRole, tags: set[str] | None
) -> None:
    agent, person = Newcomer(), visitor(endpoint, role, tags=tags)
    ask(endpoint, agent)

    answers = [person.get("/enrolments").status]
    answers.append(person.submit("/enrolments", {"id": ids(endpoint, agent), "do": "approve"}, page="/account").status)

    assert answers == [403, 403]
    assert "approval" not in page(person, "/hosts")
    assert statuses(endpoint, agent) == [EnrolmentStatus.WAITING]


def test_what_a_host_names_itself_is_text(endpoint: LocalEndpoint) -> None:
    ask(endpoint, Newcomer(name=HOSTILE))

    shown = visitor(endpoint).get("/enrolments").body.decode()

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert all(character.isprintable() for character in shown.replace("\n", ""))


def test_every_reason_has_a_sentence() -> None:
    assert set(WHY) == set(EnrolmentWhy)
