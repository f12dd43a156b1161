"""Deploying over the API: documents fit their schemas, a preview is what is created, rights and scope hold."""

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from endpoint.store.tables import DEPLOYMENTS
from tests.endpoint.conftest import MakeEndpoint
from tests.report.given import check
from tests.support.deployable import DOCKER, PLAN, deployable, older, report_of
from tests.support.endpoint_server import Answer
from tests.support.local_endpoint import LocalClient, LocalEndpoint

PATH = "/v1/deployments"


@pytest.fixture
def own(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


def person(endpoint: LocalEndpoint, role: str = "admin", *more: str) -> LocalClient:
    return endpoint.client(endpoint.token("--role", role, "--name", role, *more))


def post(client: LocalClient, path: str = PATH, **body: Any) -> Answer:
    return client.send("POST", path, json.dumps(body).encode(), Content_Encoding="identity")


def test_a_preview_shows_all_and_stores_nothing(own: LocalEndpoint) -> None:
    admin = person(own)
    web1, docker = deployable(own, "web1"), deployable(own, "web2", docker=DOCKER)
    older(own, "old")

    shown = post(admin, selection="", docker=True, reboot="if-required", at_once="50%", dry_run=True).json

    check("deployment-preview", shown)
    assert [one["host"] for one in shown["hosts"]] == ["web1", "web2"]
    assert [[step["step"] for step in one["steps"]] for one in shown["hosts"]] == [[1], [1, 2]]
    assert shown["hosts"][0]["steps"][0]["plan_id"] == PLAN
    assert [(one["host"], one["why"]) for one in shown["left_out"]] == [
        ("old", "too-old"),
        ("web1", "nothing-pending"),
    ]
    assert admin.get(PATH).json["deployments"] == []
    assert (web1.offered(), docker.offered()) == ([], [])


def test_who_is_named_and_unknown_or_out_of_scope_is_left_out_by_its_id(own: LocalEndpoint) -> None:
    admin, operator = person(own), person(own, "operator", "--tag", "web")
    web, hidden, nobody = deployable(own, "web1", "web"), deployable(own, "db1", "db"), str(uuid.uuid4())

    shown, made = (
        post(operator, hosts=[web.host_id, hidden.host_id, nobody], dry_run=dry).json for dry in (True, False)
    )
    of_admin = post(admin, hosts=[web.host_id, nobody], dry_run=True).json
    none_left = post(admin, hosts=[nobody])

    check("deployment-preview", shown)
    check("deployment", made)
    unknown = [(hidden.host_id, None, "unknown"), (nobody, None, "unknown")]
    for document in (shown, made):
        assert [(one["host_id"], one["host"], one["why"]) for one in document["left_out"]] == unknown
    assert [(one["host_id"], one["why"]) for one in of_admin["left_out"]] == [(nobody, "unknown")]
    assert none_left.status == 400
    assert [len(one.offered()) for one in (web, hidden)] == [1, 0]


def test_what_was_previewed_is_created_once(own: LocalEndpoint) -> None:
    admin, host = person(own), deployable(own, "web1")
    order: dict[str, Any] = {
        "hosts": [host.host_id],
        "upgrade": "security",
        "comment": "INC-1",
        "id": str(uuid.uuid4()),
    }
    preview = post(admin, dry_run=True, **order).json["preview"]

    made = [post(admin, preview=preview, **order) for _ in range(2)]
    stale = post(admin, preview="0" * 32, **{**order, "id": str(uuid.uuid4())})
    listed = admin.get(PATH).json

    check("deployment", made[0].json)
    check("deployments", listed)
    assert [one.json["id"] for one in made] == [order["id"]] * 2
    assert (stale.status, len(listed["deployments"])) == (409, 1)
    assert (made[0].json["phase"], made[0].json["requested_by"]) == ("queued", "token admin")
    assert len(host.offered()) == 1


def test_a_repeated_call_returns_what_the_first_one_created_although_the_hosts_have_gone_on(own: LocalEndpoint) -> None:
    admin, host = person(own), deployable(own, "web1")
    order: dict[str, Any] = {"hosts": [host.host_id], "id": str(uuid.uuid4())}
    preview = post(admin, dry_run=True, **order).json["preview"]
    made = post(admin, preview=preview, **order)
    (request,) = host.offered()
    host.step(request["id"], "done")
    host.post(report_of(host, updates={"plan_id": None, "security_pending": 0}, hash="f" * 16))

    again = post(admin, preview=preview, **order)
    of_another = post(person(own, "operator"), selection="", id=order["id"])

    assert (made.status, again.status) == (200, 200)
    assert (again.json["id"], again.json["phase"]) == (order["id"], "done")
    assert of_another.status in {400, 409}
    assert len(admin.get(PATH).json["deployments"]) == 1


def test_a_person_with_a_scope_cancels_all_steps_of_all_hosts_in_it(own: LocalEndpoint) -> None:
    admin, operator = person(own), person(own, "operator", "--tag", "web")
    hosts = [deployable(own, f"web{number}", "web", docker=DOCKER) for number in range(3)]
    other = deployable(own, "db1", "db", docker=DOCKER)
    made = post(admin, selection="", docker=True, at_once=1).json
    (sent,) = hosts[0].offered() or other.offered()

    cancelled = post(operator, f"{PATH}/{made['id']}/cancel")
    of_others = [one for one in admin.get(f"{PATH}/{made['id']}").json["requests"] if one["host_id"] == other.host_id]

    assert cancelled.status == 200
    assert all(
        one["status"] == "cancelled" or (one["id"] == sent["id"] and one["cancelling"])
        for one in cancelled.json["requests"]
    )
    assert {one["status"] for one in of_others} <= {"queued", "delivered"}
    assert not any(one["cancelling"] for one in of_others)


def test_the_list_shows_an_expired_deployment_as_ended(own: LocalEndpoint) -> None:
    admin = person(own)
    deployable(own, "web1")
    post(admin, selection="", expires="1min")
    with own.opened.writing() as connection:
        connection.execute(sa.update(DEPLOYMENTS).values(expires_at=DEPLOYMENTS.c.created_at - 1))

    (listed,) = admin.get(PATH).json["deployments"]

    assert (listed["status"], listed["phase"], listed["counts"]["expired"]) == ("ended", "failed", 1)


def test_a_deployment_is_cancelled_and_resumed(own: LocalEndpoint) -> None:
    admin = person(own)
    hosts = [deployable(own, f"web{number}") for number in range(2)]
    made = post(admin, selection="", upgrade="none", reboot="if-required", at_once=1).json
    path = f"{PATH}/{made['id']}"
    (request,) = hosts[0].offered()
    hosts[0].step(request["id"], "failed")

    stopped = admin.get(path).json
    resumed = post(admin, f"{path}/resume")
    cancelled = post(admin, f"{path}/cancel", request=made["requests"][1]["id"])
    again = [post(admin, f"{path}/{action}") for action in ("cancel", "resume")]

    assert (stopped["phase"], resumed.json["phase"], cancelled.json["phase"]) == ("stopped", "running", "failed")
    assert [answer.status for answer in again] == [409, 409]
    assert hosts[1].offered() == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "selection"), ({"selection": "", "hosts": ["x"]}, "selection"), ({"hosts": []}, "hosts"),
        ({"hosts": ["x"]}, "host"), ({"selection": "state=nothing"}, "state"), ({"selection": "x=1"}, "'x'"),
        ({"selection": "", "at_once": 0}, "at_once"), ({"selection": "", "docker": "on"}, "docker"),
        ({"selection": "", "surprise": 1}, "'surprise'"), ({"selection": "", "dry_run": 1}, "dry_run"),
        ({"hosts": [""]}, "host"), ({"selection": "", "id": "x"}, "id"), ({"selection": "", "id": 7}, "id"),
        ({"selection": 7}, "hosts"), ({"selection": "web1"}, "selection"), ({"selection": "tag="}, "selection"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_body_is_refused_with_the_name_of_the_member(own: LocalEndpoint, body: Any, name: str) -> None:
    deployable(own, "web1")

    answer = post(person(own), **body)

    assert (answer.status, answer.json["detail"].partition(":")[0].partition(" ")[0]) == (400, name)


@pytest.mark.parametrize("name", ["tag", "q"])
def test_a_lone_surrogate_in_a_selection_is_refused(own: LocalEndpoint, name: str) -> None:
    answer = post(person(own), selection=f"{name}=\ud83d", dry_run=True)

    assert (answer.status, answer.json["detail"].partition(":")[0]) == (400, "selection")


@pytest.mark.parametrize("digest", ["", [], {}, 7, True], ids=ascii)
def test_what_is_no_digest_creates_nothing(own: LocalEndpoint, digest: object) -> None:
    admin, host = person(own), deployable(own, "web1")

    assert post(admin, selection="", preview=digest).status == 409
    assert host.offered() == []


@pytest.mark.parametrize("offset", ["-1", "x", "0" * 9 + "9" * 30, "9" * 5000], ids=lambda text: text[:4])
def test_a_wrong_start_of_the_list_is_refused(own: LocalEndpoint, offset: str) -> None:
    assert person(own).get(f"{PATH}?from={offset}").status == 400


@pytest.mark.parametrize("data", [b"[]", b"{", b"7", b"null"], ids=ascii)
def test_what_is_no_object_is_refused(own: LocalEndpoint, data: bytes) -> None:
    assert person(own).send("POST", PATH, data, Content_Encoding="identity").status == 400


def test_rights_and_scope_hold_for_tokens(own: LocalEndpoint) -> None:
    web, secret = deployable(own, "web1", "web"), deployable(own, "secret-db", "db")
    admin, viewer = person(own), person(own, "viewer")
    operator = person(own, "operator", "--tag", "web")
    both = post(admin, selection="").json
    hidden = post(admin, hosts=[secret.host_id]).json

    seen = operator.get(f"{PATH}/{both['id']}").json
    refused = [
        post(viewer, selection=""),
        post(operator, selection="", reboot="if-required"),
        post(viewer, f"{PATH}/{both['id']}/cancel"),
        own.client(own.any_host_token).get(PATH),
    ]
    unknown = [
        operator.get(f"{PATH}/{hidden['id']}"),
        post(operator, f"{PATH}/{hidden['id']}/cancel"),
        post(operator, f"{PATH}/{hidden['id']}/resume"),
        operator.get(f"{PATH}/{uuid.uuid4()}"),
    ]
    own_only = post(operator, selection="", dry_run=True).json

    assert [answer.status for answer in refused] == [403] * 4
    assert [answer.status for answer in unknown] == [404] * 4
    assert own.client().get(PATH).status == 401
    assert ([one["host"] for one in seen["requests"]], seen["counts"]["queued"]) == (["web1"], 1)
    assert [one["id"] for one in operator.get(PATH).json["deployments"]] == [both["id"]]
    assert [one["host"] for one in own_only["hosts"]] == ["web1"]
    assert "secret-db" not in json.dumps([seen, own_only])
    assert (len(web.offered()), len(secret.offered())) == (1, 2)
