"""Every route: who may use it, and that a person limited to a tag learns nothing of other hosts by it.

A new route fails here until it has a row in `ROUTES`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

import pytest

from endpoint.core.people import PersonRole, Right
from endpoint.store.deployments import Actor, DeploymentStore
from endpoint.store.request_queries import RequestQueries
from tests.support import two_teams
from tests.support.endpoint_server import Answer, Requests
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor, visitor

PERSONS = [
    (PersonRole.VIEWER, False),
    (PersonRole.OPERATOR, False),
    (PersonRole.OPERATOR, True),
    (PersonRole.ADMIN, False),
]


class For(Enum):
    """Whom a route is for, beside people."""

    AGENTS = "agents"
    ANYBODY = "anybody"
    """It needs no login, and holds nothing of the fleet."""
    WHOLE_FLEET = "whole-fleet"
    """Tokens of people without a tag: it cannot be shown in part."""


ROUTES: dict[tuple[str, str], For | Right] = {
    ("POST", "/v1/messages"): For.AGENTS,
    ("PUT", "/v1/hosts/<host>/instances/<instance>/heartbeats/<sequence>"): For.AGENTS,
    ("GET", "/v1/hosts/<host>/requests/<identity>"): For.AGENTS,
    ("POST", "/v1/enrol"): For.AGENTS,
    ("POST", "/v1/pre-reboot"): For.AGENTS,
    ("POST", "/v1/steady-state"): For.AGENTS,
    ("GET", "/v1/health"): For.ANYBODY,
    ("GET", "/v1/fleet"): Right.ADMIN,
    ("GET", "/v1/locks"): Right.ADMIN,
    ("GET", "/v1/metrics"): For.WHOLE_FLEET,
    ("GET", "/metrics"): For.WHOLE_FLEET,
    ("GET", "/static/<name>"): For.ANYBODY,
    ("GET", "/login"): For.ANYBODY,
    ("POST", "/login"): For.ANYBODY,
    ("GET", "/login/<secret>"): For.ANYBODY,
    ("POST", "/login/<secret>"): For.ANYBODY,
    ("POST", "/logout"): Right.VIEW,
    ("GET", "/account"): Right.VIEW,
    ("POST", "/account"): Right.VIEW,
    ("GET", "/"): Right.VIEW,
    ("GET", "/v1/overview"): Right.VIEW,
    ("GET", "/hosts"): Right.VIEW,
    ("GET", "/hosts.csv"): Right.VIEW,
    ("GET", "/hosts.json"): Right.VIEW,
    ("GET", "/v1/hosts"): Right.VIEW,
    ("GET", "/v1/hosts/<host_id>"): Right.VIEW,
    ("POST", "/hosts/ticked"): Right.DEPLOY,
    ("POST", "/hosts/views"): Right.VIEW,
    ("POST", "/hosts/views/delete"): Right.VIEW,
    ("GET", "/hosts/<host_id>"): Right.VIEW,
    ("POST", "/hosts/<host_id>/tags"): Right.ADMIN,
    ("POST", "/hosts/<host_id>/notes"): Right.DEPLOY,
    ("POST", "/hosts/<host_id>/notes/<int:note>/delete"): Right.DEPLOY,
    ("GET", "/fixes"): Right.VIEW,
    ("GET", "/fixes/<cve>"): Right.VIEW,
    ("GET", "/v1/fixes"): Right.VIEW,
    ("GET", "/v1/fixes/<cve>"): Right.VIEW,
    ("GET", "/locks"): Right.VIEW,
    ("POST", "/locks/release"): Right.REBOOT,
    ("GET", "/audit"): Right.VIEW,
    ("GET", "/enrolments"): Right.ADMIN,
    ("POST", "/enrolments"): Right.ADMIN,
    ("GET", "/deploy"): Right.DEPLOY,
    ("POST", "/deploy"): Right.DEPLOY,
    ("GET", "/deployments"): Right.VIEW,
    ("GET", "/deployments/<deployment>"): Right.VIEW,
    ("POST", "/deployments/<deployment>"): Right.DEPLOY,
    ("GET", "/v1/deployments"): Right.VIEW,
    ("POST", "/v1/deployments"): Right.DEPLOY,
    ("GET", "/v1/deployments/<deployment>"): Right.VIEW,
    ("POST", "/v1/deployments/<deployment>/cancel"): Right.DEPLOY,
    ("POST", "/v1/deployments/<deployment>/resume"): Right.DEPLOY,
}
FORMS = {
    ("POST", "/hosts/<host_id>/tags"): {"tags": two_teams.TAG},
    ("POST", "/hosts/<host_id>/notes"): {"text": "seen"},
    ("POST", "/deployments/<deployment>"): {"do": "cancel"},
}
"""What a form sends beside its token."""
PART = re.compile(r"<(?:[^<>:]*:)?([a-z_]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a part of a path may name."""

    ours: str
    theirs: str
    unknown: str
    shared: str


HOSTS = Named(ours=two_teams.OURS, theirs=two_teams.THEIRS, unknown=two_teams.UNKNOWN, shared=two_teams.OURS)
DEPLOYMENTS = Named(
    ours=two_teams.OUR_DEPLOYMENT,
    theirs=two_teams.THEIR_DEPLOYMENT,
    unknown=two_teams.UNKNOWN_DEPLOYMENT,
    shared=two_teams.SHARED_DEPLOYMENT,
)
FIXES = Named(
    ours=two_teams.OUR_CVE, theirs=two_teams.THEIR_CVE, unknown=two_teams.UNKNOWN_CVE, shared=two_teams.OUR_CVE
)
ANYTHING = Named(ours="1", theirs="1", unknown="1", shared="1")
PARTS = {
    "host": HOSTS, "host_id": HOSTS, "identity": DEPLOYMENTS, "deployment": DEPLOYMENTS, "deployment_id": DEPLOYMENTS,
    "cve": FIXES, "instance": HOSTS, "sequence": ANYTHING, "name": ANYTHING, "note": ANYTHING, "secret": ANYTHING,
}  # fmt: skip


def row_id(row: object) -> str:
    return " ".join(map(str, row)) if isinstance(row, tuple) else "none"


FOR_PEOPLE = sorted(row for row, whom in ROUTES.items() if isinstance(whom, Right))
PAGES = [row for row in FOR_PEOPLE if not row[1].startswith("/v1/")]
READ = [row for row in FOR_PEOPLE if row[0] == "GET" and ROUTES[row] is not Right.ADMIN]
OF_ONE = [row for row in FOR_PEOPLE if PART.search(row[1]) and ROUTES[row] is not Right.ADMIN]


NUMBERS = {"/", "/v1/overview", "/account", "/deploy", "/enrolments"}
"""Pages that name no host."""
LISTS = [row for row in FOR_PEOPLE if row[0] == "GET" and not PART.search(row[1]) and row[1] not in NUMBERS]


def path_of(rule: str, which: str) -> str:
    return PART.sub(lambda found: str(getattr(PARTS[found[1]], which)), rule)


@contextmanager
def filled(directory: Path, *, with_hidden: bool) -> Iterator[LocalEndpoint]:
    one = LocalEndpoint(
        directory=directory,
        database=f"sqlite:///{directory}/endpoint.db",
        settings={"locks": {"groups": {"zebra": 1, "web": 1}}},
    )
    one.configure()
    one.start()
    two_teams.fill(one, with_hidden=with_hidden)
    yield one
    one.end()


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, LocalEndpoint]]:
    """Return two endpoints that no test changes: with the hidden team, and without it."""
    with (
        filled(tmp_path_factory.mktemp("both"), with_hidden=True) as both,
        filled(tmp_path_factory.mktemp("ours"), with_hidden=False) as ours,
    ):
        yield {True: both, False: ours}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEndpoint]:
    """Return another one with the hidden team, for tests that change it."""
    with filled(tmp_path_factory.mktemp("fleet"), with_hidden=True) as made:
        yield made


def person(
    fleet: LocalEndpoint, rule: str, role: PersonRole, *, may_reboot: bool = False, tags: set[str] | None = None
) -> Requests:
    """Return somebody who is logged in, or for a route of the API who has a token."""
    if not rule.startswith("/v1/"):
        return visitor(fleet, role, may_reboot=may_reboot, tags=tags)
    options = ["--role", role.value, *(["--may-reboot"] if may_reboot else []), *(["--tag", *tags] if tags else [])]
    return fleet.client(fleet.token(*options))


def ask(who: Requests, row: tuple[str, str], which: str = "ours", *, with_token: bool = True) -> Answer:
    method, rule = row
    path = path_of(rule, which)
    if method == "GET":
        return who.get(path)
    if isinstance(who, Visitor):
        token = {"form_token": who.form_token("/account")} if with_token and who.cookies else {}
        return who.post_form(path, {**token, **FORMS.get(row, {})})
    return who.send(method, path, b"{}", Content_Encoding="identity")


def test_every_route_has_a_row(fleet: LocalEndpoint) -> None:
    found = {
        (method, rule.rule) for rule in fleet.app.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert found == set(ROUTES)


@pytest.mark.parametrize("row", FOR_PEOPLE, ids=row_id)
def test_nobody_and_no_agent_uses_a_route_for_people(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    if row[1].startswith("/v1/"):
        agents = [fleet.any_host_token, fleet.token("--host", two_teams.OURS)]
        assert ask(fleet.client(), row).status == 401
        assert [ask(fleet.client(token), row).status for token in agents] == [403, 403]
    else:
        answer = ask(Visitor(app=fleet.app), row)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("row", FOR_PEOPLE, ids=row_id)
def test_a_route_needs_its_right(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    needed = ROUTES[row]
    for role, may_reboot in PERSONS:
        refused = ask(person(fleet, row[1], role, may_reboot=may_reboot), row).status == 403
        allowed = {
            Right.VIEW: True,
            Right.DEPLOY: role is not PersonRole.VIEWER,
            Right.REBOOT: may_reboot or role is PersonRole.ADMIN,
            Right.ADMIN: role is PersonRole.ADMIN,
        }
        assert isinstance(needed, Right)
        if row != ("POST", "/logout"):
            assert refused != allowed[needed], (role, may_reboot)


@pytest.mark.parametrize("row", [row for row in sorted(ROUTES) if ROUTES[row] is For.WHOLE_FLEET], ids=row_id)
def test_figures_of_the_whole_fleet_are_for_who_sees_all_of_it(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    tokens = [("--role", "viewer"), ("--admin",), ("--role", "operator", "--tag", two_teams.TAG), ()]

    assert ask(fleet.client(), row).status == 401
    assert [ask(fleet.client(fleet.token(*options)), row).status for options in tokens] == [200, 200, 403, 403]


@pytest.mark.parametrize("row", [row for row in PAGES if row[0] == "POST"], ids=row_id)
def test_a_form_without_its_token_changes_nothing(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    who = person(fleet, row[1], PersonRole.ADMIN)

    assert ask(who, row, with_token=False).status == 403
    assert who.get("/account").status == 200


@pytest.mark.parametrize("row", OF_ONE, ids=row_id)
def test_what_is_out_of_scope_answers_like_what_does_not_exist(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    who = person(fleet, row[1], PersonRole.OPERATOR, may_reboot=True, tags={two_teams.TAG})
    theirs, unknown = ask(who, row, "theirs"), ask(who, row, "unknown")

    assert (theirs.status, unknown.status) == (404, 404)
    assert plain(theirs) == plain(unknown)


@pytest.mark.parametrize("which", ["ours", "shared"])
@pytest.mark.parametrize("row", READ, ids=row_id)
def test_a_person_of_one_team_sees_what_there_would_be_without_the_other(
    fleets: dict[bool, LocalEndpoint], row: tuple[str, str], which: str
) -> None:
    """The answers of two fleets are compared, one with and one without the other team's host."""
    answers = {
        with_hidden: ask(person(fleet, row[1], PersonRole.OPERATOR, tags={two_teams.TAG}), row, which)
        for with_hidden, fleet in fleets.items()
    }

    assert answers[True].status == 200
    assert two_teams.HIDDEN.findall(answers[True].body.decode()) == []
    assert plain(answers[True]) == plain(answers[False])


@pytest.mark.parametrize("row", LISTS, ids=row_id)
def test_an_administrator_sees_the_hidden_team(fleet: LocalEndpoint, row: tuple[str, str]) -> None:
    answer = ask(person(fleet, row[1], PersonRole.ADMIN), row)

    assert two_teams.HIDDEN.search(answer.body.decode())


def test_a_person_of_one_team_cancels_the_requests_of_its_own_hosts_only(tmp_path: Path) -> None:
    with filled(tmp_path, with_hidden=True) as fleet:
        who = visitor(fleet, PersonRole.OPERATOR, tags={two_teams.TAG})
        cancelled = ask(who, ("POST", "/deployments/<deployment>"), "shared").status
        resumed = who.submit(f"/deployments/{two_teams.SHARED_DEPLOYMENT}", {"do": "resume"}, page="/account").status
        record, requests, _ = RequestQueries(fleet.opened).show(two_teams.SHARED_DEPLOYMENT)

    assert (cancelled, resumed) == (303, 403)
    assert {request.host_id: request.status.value for request in requests} == {
        two_teams.OURS: "cancelled",
        two_teams.THEIRS: "queued",
    }
    assert record.status.value == "active"


def test_what_was_done_to_another_teams_host_is_not_in_the_audit(tmp_path: Path) -> None:
    with filled(tmp_path, with_hidden=True) as fleet:
        limited, admin = visitor(fleet, PersonRole.VIEWER, tags={two_teams.TAG}), visitor(fleet)
        before = plain(limited.get("/audit"))
        _, requests, _ = RequestQueries(fleet.opened).show(two_teams.SHARED_DEPLOYMENT)
        (theirs,) = (one.id for one in requests if one.host_id == two_teams.THEIRS)
        by = Actor(name="somebody", at=datetime.now(timezone.utc))
        DeploymentStore(fleet.opened).cancel(two_teams.SHARED_DEPLOYMENT, frozenset({theirs}), by)

        assert plain(limited.get("/audit")) == before
        assert b"somebody" in admin.get("/audit").body


def test_a_person_of_one_team_previews_its_own_hosts_only(fleet: LocalEndpoint) -> None:
    limited = person(fleet, "/v1/deployments", PersonRole.OPERATOR, tags={two_teams.TAG})

    def preview(who: Requests, **fields: object) -> Answer:
        body = {"upgrade": "security", "dry_run": True, **fields}
        return who.send("POST", "/v1/deployments", json.dumps(body).encode(), Content_Encoding="identity")

    everything, chosen = preview(limited, selection=""), preview(limited, hosts=[two_teams.OURS, two_teams.THEIRS])
    theirs, unknown = (preview(limited, hosts=[host]) for host in (two_teams.THEIRS, two_teams.UNKNOWN))
    admin = person(fleet, "/v1/deployments", PersonRole.ADMIN)

    assert (everything.status, chosen.status) == (200, 200)
    assert two_teams.HIDDEN.findall(everything.body.decode()) == []
    assert b"zebra" not in chosen.body + theirs.body  # the id is in the selection, as it was sent
    digest = re.compile(r'"preview":"[0-9a-f]+"')  # it covers the selection
    assert digest.sub("", plain(theirs)) == digest.sub("", plain(unknown))
    assert two_teams.HIDDEN.search(preview(admin, selection="").body.decode())
    assert preview(limited, selection="", reboot="if-required").status == 403


def test_a_person_of_one_team_releases_no_slot_of_another(fleet: LocalEndpoint) -> None:
    values = {"group": "zebra", "client": two_teams.THEIRS, "why": "test"}
    limited = visitor(fleet, PersonRole.OPERATOR, may_reboot=True, tags={two_teams.TAG})
    other = visitor(fleet, PersonRole.OPERATOR, may_reboot=True, tags={"zebra"})

    assert limited.submit("/locks/release", values, page="/account").status == 404
    assert limited.submit("/locks/release", {**values, "client": two_teams.UNKNOWN}, page="/account").status == 404
    assert other.submit("/locks/release", values, page="/account").status == 303


def test_a_host_cannot_tag_itself_into_a_scope(fleet: LocalEndpoint) -> None:
    """The hidden team's host reports the tag `web` of its own configuration."""
    admin, limited = visitor(fleet), visitor(fleet, PersonRole.VIEWER, tags={two_teams.TAG})
    path = f"/hosts/{two_teams.THEIRS}"

    assert (admin.get(path).status, limited.get(path).status) == (200, 404)


def plain(answer: Answer) -> str:
    """Return a body without what differs from request to request."""
    text = answer.body.decode()
    text = re.sub(r'name="form_token" value="[^"]*"', "", text)
    text = re.sub(r"person-\d+", "person", text)
    text = re.sub(r"\d+ (s|min|h|d)\b|_s\":[\d.]+", "", text)  # the two fleets are not of the same moment
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?|\b\d\d:\d\d(:\d\d)?\b", "", text)
    return re.sub(f"{two_teams.THEIRS}|{two_teams.UNKNOWN}", "ID", text)
