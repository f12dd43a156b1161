"""Enrolment over HTTP and by the commands: one token for each host, and a person decides about all else."""

import json
import re
import uuid
from collections import Counter
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa

from endpoint.core.enrolment import EnrolmentStatus
from endpoint.http.validation import strict
from endpoint.store.enrolment_tables import ENROLMENT_KEYS, ENROLMENTS
from endpoint.store.enrolments import Enrolments
from endpoint.store.people_tables import AUDIT
from endpoint.store.tables import TOKENS
from endpoint.store.tags import HostTags
from endpoint.store.tokens import Tokens
from tests.support.endpoint_server import Answer
from tests.support.enrolment import Newcomer
from tests.support.local_endpoint import LocalEndpoint

ANSWER = jsonschema.Draft7Validator(strict("maestro.enrolled-1"))
LIST = jsonschema.Draft7Validator(strict("maestro.enrolments-1"))
ASK = jsonschema.Draft7Validator(strict("maestro.enrolment-1"))


def key_of(endpoint: LocalEndpoint, *options: str) -> str:
    return endpoint.token("--enrol", *options)


def ask(endpoint: LocalEndpoint, key: str, agent: Newcomer, **changes: object) -> Answer:
    return agent.ask(endpoint.client(key), **changes)


def token_of(answer: Answer) -> str:
    """Return the token of an answer that has one."""
    assert answer.status == 201, answer.body
    ANSWER.validate(answer.json)
    return str(answer.json["token"])


def listed(endpoint: LocalEndpoint, agent: Newcomer) -> Any:
    """Return the agent's row of `enrolments list --all --json`."""
    found = json.loads(endpoint.run("enrolments", "list", "--all", "--json").stdout)
    LIST.validate(found)
    (row,) = [
        one for one in found["enrolments"] if (one["host_id"], one["instance_id"]) == (agent.host_id, agent.instance_id)
    ]
    return row


def decide(endpoint: LocalEndpoint, action: str, agent: Newcomer) -> None:
    done = endpoint.run("enrolments", action, listed(endpoint, agent)["id"])
    assert done.returncode == 0, done.stderr


def uses(endpoint: LocalEndpoint, key: str) -> int:
    with endpoint.opened.reading() as connection:
        wanted = sa.select(ENROLMENT_KEYS.c.uses).where(ENROLMENT_KEYS.c.id == key.split("_")[1])
        return int(connection.execute(wanted).scalar_one())


def reports(endpoint: LocalEndpoint, token: str, agent: Newcomer) -> int:
    return agent.report(endpoint.client(token)).status


def is_valid(endpoint: LocalEndpoint, token: str) -> bool:
    """Return whether a token is valid now; a server takes one that it has just seen for some seconds more."""
    return Tokens(endpoint.opened).find(token) is not None


def test_a_key_is_exchanged_for_a_token_that_is_valid_for_its_host_only(endpoint: LocalEndpoint) -> None:
    agent, other = Newcomer(), Newcomer()

    answer = ask(endpoint, key_of(endpoint), agent)

    token = token_of(answer)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json["host_id"], answer.json["status"]) == (agent.host_id, "enrolled")
    assert [reports(endpoint, token, one) for one in (agent, other)] == [200, 403]
    ASK.validate(agent.document())


def test_neither_the_key_nor_the_token_is_stored_or_logged(endpoint: LocalEndpoint) -> None:
    key = key_of(endpoint)
    token = token_of(ask(endpoint, key, Newcomer()))

    with endpoint.opened.reading() as connection:
        rows = [connection.execute(sa.select(table)).all() for table in (TOKENS, ENROLMENT_KEYS, ENROLMENTS, AUDIT)]

    for secret in (key, token):
        assert secret.split("_", 2)[2] not in f"{rows}{endpoint.journal}"
    assert "host.enrolment" in endpoint.journal


def test_a_lost_answer_can_be_repeated_and_the_token_that_nobody_got_is_revoked(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--uses", "1"), Newcomer()
    lost = token_of(ask(endpoint, key, agent))

    again = token_of(ask(endpoint, key, agent))

    assert [reports(endpoint, token, agent) for token in (lost, again)] == [401, 200]
    assert uses(endpoint, key) == 1


def test_a_second_exchange_after_the_token_was_used_waits_for_a_person(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint), Newcomer()
    first = token_of(ask(endpoint, key, agent))
    assert reports(endpoint, first, agent) == 200

    answer = ask(endpoint, key, agent)

    assert answer.status == 202
    ANSWER.validate(answer.json)
    assert (answer.json["status"], answer.json["token"]) == ("waiting", None)
    assert int(answer.headers["Retry-After"]) > 0
    assert listed(endpoint, agent)["why"] == "token-in-use"
    assert reports(endpoint, first, agent) == 200
    decide(endpoint, "approve", agent)
    second = token_of(ask(endpoint, key, agent))
    assert [is_valid(endpoint, token) for token in (first, second)] == [False, True]


@pytest.mark.parametrize("how", ["a report", "a token of its own", "a revoked token", "an enrolment"])
def test_a_host_that_is_known_is_not_handed_to_a_newcomer(endpoint: LocalEndpoint, how: str) -> None:
    agent = Newcomer()
    impostor = Newcomer(host_id=agent.host_id)
    key = key_of(endpoint)
    if how == "a report":
        assert reports(endpoint, endpoint.any_host_token, agent) == 200
    elif how == "an enrolment":
        token_of(ask(endpoint, key, agent))
    else:
        token = endpoint.token("--host", agent.host_id)
        if how == "a revoked token":
            assert endpoint.run("token", "revoke", token.split("_")[1]).returncode == 0

    answer = ask(endpoint, key, impostor)

    assert (answer.status, answer.json["token"]) == (202, None)
    assert listed(endpoint, impostor)["why"] == "known-host"


def test_the_token_of_a_host_survives_an_impostor_that_is_refused(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint), Newcomer()
    impostor = Newcomer(host_id=agent.host_id)
    token = token_of(ask(endpoint, key, agent))
    assert ask(endpoint, key, impostor).status == 202

    decide(endpoint, "refuse", impostor)

    answer = ask(endpoint, key, impostor)
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert reports(endpoint, token, agent) == 200
    decide(endpoint, "approve", impostor)
    token_of(ask(endpoint, key, impostor))
    assert not is_valid(endpoint, token)


def test_a_key_with_approval_gives_no_token_before(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--approve"), Newcomer()

    assert [ask(endpoint, key, agent).status for _ in range(2)] == [202, 202]
    assert listed(endpoint, agent)["why"] == "approval-required"
    assert uses(endpoint, key) == 0
    decide(endpoint, "approve", agent)
    assert reports(endpoint, token_of(ask(endpoint, key, agent)), agent) == 200
    assert uses(endpoint, key) == 1


def test_all_that_wait_can_be_approved_at_once(endpoint: LocalEndpoint) -> None:
    key, agents = key_of(endpoint, "--approve"), [Newcomer() for _ in range(3)]
    assert {ask(endpoint, key, agent).status for agent in agents} == {202}

    done = endpoint.run("enrolments", "approve", "--all")

    assert done.returncode == 0, done.stderr
    assert {ask(endpoint, key, agent).status for agent in agents} == {201}


def test_all_that_wait_does_not_mean_hosts_that_have_a_token_in_use(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint), Newcomer()
    first = token_of(ask(endpoint, key, agent))
    reports(endpoint, first, agent)
    assert ask(endpoint, key, agent).status == 202

    endpoint.run("enrolments", "approve", "--all")

    assert (listed(endpoint, agent)["status"], reports(endpoint, first, agent)) == ("waiting", 200)


@pytest.mark.parametrize("how", ["by enrolment", "by hand"])
def test_all_that_wait_does_not_mean_another_machine_with_the_id_of_a_host_that_has_a_token(
    endpoint: LocalEndpoint, how: str
) -> None:
    key, agent = key_of(endpoint), Newcomer()
    impostor = Newcomer(host_id=agent.host_id)
    by_enrolment = how == "by enrolment"
    token = token_of(ask(endpoint, key, agent)) if by_enrolment else endpoint.token("--host", agent.host_id)
    assert ask(endpoint, key, impostor).status == 202

    done = endpoint.run("enrolments", "approve", "--all")

    assert (done.returncode, "not approved" in done.stderr) == (0, True)
    assert [ask(endpoint, key, impostor).status, reports(endpoint, token, agent)] == [202, 200]


def test_all_that_wait_does_not_mean_a_host_that_two_machines_ask_for(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--approve"), Newcomer()
    twin = Newcomer(host_id=agent.host_id)
    assert [ask(endpoint, key, one).status for one in (agent, twin)] == [202, 202]

    endpoint.run("enrolments", "approve", "--all")
    assert [ask(endpoint, key, one).status for one in (agent, twin)] == [202, 202]

    decide(endpoint, "approve", agent)
    endpoint.run("enrolments", "approve", "--all")
    assert [ask(endpoint, key, one).status for one in (twin, agent)] == [202, 201]


def test_hosts_that_report_with_a_shared_token_are_approved_all_at_once(endpoint: LocalEndpoint) -> None:
    key, agents = key_of(endpoint), [Newcomer() for _ in range(2)]
    assert {reports(endpoint, endpoint.any_host_token, agent) for agent in agents} == {200}
    assert {ask(endpoint, key, agent).status for agent in agents} == {202}

    endpoint.run("enrolments", "approve", "--all")

    assert {ask(endpoint, key, agent).status for agent in agents} == {201}


def test_a_key_is_used_as_often_as_it_may_be(endpoint: LocalEndpoint) -> None:
    key = key_of(endpoint, "--uses", "2")

    found = [ask(endpoint, key, Newcomer()) for _ in range(3)]

    assert [answer.status for answer in found] == [201, 201, 410]
    assert found[2].headers["Content-Type"] == "application/problem+json"


def expire(endpoint: LocalEndpoint, key: str) -> None:
    with endpoint.opened.writing() as connection:
        these = ENROLMENT_KEYS.c.id == key.split("_")[1]
        connection.execute(sa.update(ENROLMENT_KEYS).values(expires_at=1.0).where(these))


def test_a_key_with_approval_is_used_as_often_as_it_may_be_too(endpoint: LocalEndpoint) -> None:
    key, agents = key_of(endpoint, "--approve", "--uses", "2"), [Newcomer() for _ in range(4)]
    assert {ask(endpoint, key, agent).status for agent in agents} == {202}
    decide(endpoint, "approve", agents[0])
    decide(endpoint, "approve", agents[1])

    refused = endpoint.run("enrolments", "approve", listed(endpoint, agents[2])["id"])
    decide(endpoint, "refuse", agents[1])
    decide(endpoint, "approve", agents[3])

    assert (refused.returncode, "no use left" in refused.stderr) == (2, True)
    assert [ask(endpoint, key, agent).status for agent in agents] == [201, 403, 202, 201]
    assert ask(endpoint, key, agents[2]).status == 410
    assert uses(endpoint, key) == 2


def test_all_that_wait_are_approved_as_far_as_the_key_goes(endpoint: LocalEndpoint) -> None:
    key, agents = key_of(endpoint, "--approve", "--uses", "2"), [Newcomer() for _ in range(3)]
    assert {ask(endpoint, key, agent).status for agent in agents} == {202}

    done = endpoint.run("enrolments", "approve", "--all")

    assert (done.returncode, "not approved" in done.stderr) == (0, True)
    assert Counter(listed(endpoint, agent)["status"] for agent in agents) == {"approved": 2, "waiting": 1}
    assert "no use left" in endpoint.run("enrolments", "list").stdout
    assert sorted(ask(endpoint, key, agent).status for agent in agents) == [201, 201, 202]
    assert uses(endpoint, key) == 2


def test_a_key_with_approval_ends_too(endpoint: LocalEndpoint) -> None:
    key, approved, waiting = key_of(endpoint, "--approve"), Newcomer(), Newcomer()
    assert {ask(endpoint, key, agent).status for agent in (approved, waiting)} == {202}
    decide(endpoint, "approve", approved)
    expire(endpoint, key)

    refused = endpoint.run("enrolments", "approve", listed(endpoint, waiting)["id"])

    assert (refused.returncode, "expired" in refused.stderr) == (2, True)
    assert "its key has expired" in endpoint.run("enrolments", "list").stdout
    assert [ask(endpoint, key, agent).status for agent in (approved, waiting)] == [410, 410]
    decide(endpoint, "refuse", waiting)
    assert ask(endpoint, key, waiting).status == 403
    assert ask(endpoint, key_of(endpoint), approved).status == 201


def test_a_lost_answer_is_repeated_after_the_key_has_ended(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--approve", "--uses", "1"), Newcomer()
    ask(endpoint, key, agent)
    decide(endpoint, "approve", agent)
    token_of(ask(endpoint, key, agent))
    expire(endpoint, key)

    assert reports(endpoint, token_of(ask(endpoint, key, agent)), agent) == 200


def test_a_key_ends(endpoint: LocalEndpoint) -> None:
    key = key_of(endpoint, "--until", "1h")
    expire(endpoint, key)

    assert ask(endpoint, key, Newcomer()).status == 410


def test_a_revoked_key_gives_no_more_tokens_and_leaves_those_that_it_gave(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint), Newcomer()
    token = token_of(ask(endpoint, key, agent))

    assert endpoint.run("token", "revoke", key.split("_")[1]).returncode == 0

    assert ask(endpoint, key, Newcomer()).status == 401
    assert ask(endpoint, key, agent).status == 401
    assert reports(endpoint, token, agent) == 200


def test_nobody_waits_or_stays_approved_with_a_revoked_key(endpoint: LocalEndpoint) -> None:
    key, known = key_of(endpoint, "--approve"), Newcomer()
    other = key_of(endpoint)
    token = token_of(ask(endpoint, other, known))
    assert reports(endpoint, token, known) == 200
    waiting, approved = Newcomer(), Newcomer()
    assert {ask(endpoint, key, agent).status for agent in (waiting, approved, known)} == {202}
    decide(endpoint, "approve", approved)

    assert endpoint.run("token", "revoke", key.split("_")[1]).returncode == 0

    shown = {one.host_id: one.status for one in Enrolments(endpoint.opened).all()}
    assert [shown.get(agent.host_id) for agent in (waiting, approved, known)] == [None, None, EnrolmentStatus.ENROLLED]
    assert ask(endpoint, other, waiting).status == 201
    assert reports(endpoint, token, known) == 200


def test_the_hosts_of_a_key_are_tagged_as_a_person_would(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--tag", "web", "eu"), Newcomer()
    assert agent.host_id not in HostTags(endpoint.opened).all()

    token_of(ask(endpoint, key, agent))

    assert HostTags(endpoint.opened).all()[agent.host_id] == {"web", "eu"}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/pre-reboot"])
def test_a_key_is_no_token(endpoint: LocalEndpoint, path: str) -> None:
    client = endpoint.client(key_of(endpoint))
    headers = {"Content_Encoding": "identity", "fleet_lock_protocol": "true"}

    assert client.send("POST", path, b"{}", **headers).status == 401
    assert [client.get(address).status for address in ("/v1/fleet", "/v1/locks", "/v1/metrics")] == [401] * 3


@pytest.mark.parametrize("options", [(), ("--admin",)], ids=["agent", "administrator"])
def test_a_token_is_no_key(endpoint: LocalEndpoint, options: tuple[str, ...]) -> None:
    assert ask(endpoint, endpoint.token(*options), Newcomer()).status == 401


@pytest.mark.parametrize(
    "change",
    [
        {"host_id": "x"},
        {"host_id": "8EB4351F-613B-4166-BF45-0DA55C0E2256"},
        {"instance_id": None},
        {"name": ""},
        {"name": 7},
        {"schema": "maestro.enrolment/2"},
        {"agent_version": "x" * 65},
    ],
    ids=str,
)
def test_what_is_no_enrolment_is_refused_and_leaves_nothing(endpoint: LocalEndpoint, change: dict[str, object]) -> None:
    key = key_of(endpoint)

    answer = ask(endpoint, key, Newcomer(), **change)

    assert answer.status == 422
    assert uses(endpoint, key) == 0


def test_what_a_newer_agent_adds_is_ignored(endpoint: LocalEndpoint) -> None:
    assert ask(endpoint, key_of(endpoint), Newcomer(), more={"a": 1}).status == 201


HOSTILE = "<script>\u202e\x00\x1b[2J'\"|" + "x" * 900


def test_the_name_of_a_host_is_shown_without_control_characters(endpoint: LocalEndpoint) -> None:
    agent = Newcomer(name=HOSTILE)

    assert ask(endpoint, key_of(endpoint, "--approve"), agent).status == 202

    shown = endpoint.run("enrolments", "list").stdout
    assert all(character.isprintable() for character in shown.replace("\n", ""))
    assert max(map(len, shown.splitlines())) < 400
    decide(endpoint, "approve", agent)


def test_an_enrolment_of_a_host_without_a_name(endpoint: LocalEndpoint) -> None:
    agent = Newcomer(name=None)

    token_of(ask(endpoint, key_of(endpoint), agent))

    assert listed(endpoint, agent)["name"] is None


def test_each_step_is_in_the_audit(endpoint: LocalEndpoint) -> None:
    key, agent = key_of(endpoint, "--approve", "--name", "cloud"), Newcomer()
    ask(endpoint, key, agent)
    decide(endpoint, "refuse", agent)
    decide(endpoint, "approve", agent)
    token_of(ask(endpoint, key, agent))

    with endpoint.opened.reading() as connection:
        wanted = sa.select(AUDIT).where(AUDIT.c.host_id == agent.host_id).order_by(AUDIT.c.id)
        rows = connection.execute(wanted).all()

    assert [row.action for row in rows] == ["enrolment-refused", "enrolment-approved", "host-enrolled"]
    assert rows[2].person == "key cloud"


def test_enrolments_that_were_decided_cannot_be_decided_so_again(endpoint: LocalEndpoint) -> None:
    agent = Newcomer()
    token_of(ask(endpoint, key_of(endpoint), agent))

    for action in ("approve", "refuse"):
        done = endpoint.run("enrolments", action, listed(endpoint, agent)["id"])
        assert (done.returncode, "enrolments list" in done.stderr) == (2, True)
    assert endpoint.run("enrolments", "approve", "0" * 16).returncode == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--enrol", "--admin"),
        ("--enrol", "--host", str(uuid.UUID(int=1))),
        ("--uses", "3"),
        ("--approve",),
        ("--until", "30d"),
        ("--enrol", "--uses", "0"),
        ("--enrol", "--tag", "a b"),
        ("--enrol", "--until", "yesterday"),
        ("--enrol", "--until", "2020-01-01"),
        ("--enrol", "--until", "999999999d"),
        ("--enrol", "--until", "9999-12-31"),
        ("--enrol", "--until", "9999-12-31T23:59:59-14:00"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_are_usage_errors(endpoint: LocalEndpoint, options: tuple[str, ...]) -> None:
    done = endpoint.run("token", "add", *options)

    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2099-12-31", "valid until 2100-01-01T00:00:00Z"),
        ("2099-12-31T12:00Z", "valid until 2099-12-31T12:00:00Z"),
        ("2099-12-31T12:00:30+01:00", "valid until 2099-12-31T11:00:30Z"),
        ("forever", "valid  0 used"),
    ],
)
def test_the_list_of_tokens_has_the_keys_with_their_end(endpoint: LocalEndpoint, until: str, end: str) -> None:
    key = key_of(endpoint, "--until", until, "--name", "cloud", "--tag", "web")

    (line,) = [one for one in endpoint.run("token", "list").stdout.splitlines() if one.startswith(key.split("_")[1])]

    assert re.search(rf"  enrol  {re.escape(end)}.*  tags web  .*  cloud$", line), line


def test_a_key_that_names_no_end_has_one(endpoint: LocalEndpoint) -> None:
    key = key_of(endpoint)

    (line,) = [one for one in endpoint.run("token", "list").stdout.splitlines() if one.startswith(key.split("_")[1])]

    assert "valid until 20" in line


def test_the_list_of_tokens_shows_the_name_of_a_host_without_control_characters(endpoint: LocalEndpoint) -> None:
    token_of(ask(endpoint, key_of(endpoint), Newcomer(name="\x1b[2J\u202eevil")))

    assert all(character.isprintable() for character in endpoint.run("token", "list").stdout.replace("\n", ""))


def test_one_that_has_stopped_asking_makes_room(endpoint: LocalEndpoint) -> None:
    key, gone, asks = key_of(endpoint, "--approve"), Newcomer(), Newcomer()
    assert [ask(endpoint, key, agent).status for agent in (gone, asks)] == [202, 202]
    with endpoint.opened.writing() as connection:
        old = sa.update(ENROLMENTS).where(ENROLMENTS.c.host_id == gone.host_id)
        connection.execute(old.values(asked_at=ENROLMENTS.c.asked_at - 31 * 86400))

    assert ask(endpoint, key, asks).status == 202

    listed(endpoint, asks)
    with endpoint.opened.reading() as connection:
        found = connection.execute(sa.select(ENROLMENTS.c.id).where(ENROLMENTS.c.host_id == gone.host_id)).all()
    assert found == []
    assert ask(endpoint, key, gone).status == 202
    assert listed(endpoint, gone)["status"] == "waiting"
