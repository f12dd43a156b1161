"""Deploying on the pages: choose, preview, confirm, watch, cancel, resume; each within rights and scope."""

import json
import re
import time
import uuid
from datetime import datetime, timedelta, timezone
from html import unescape

import pytest
import sqlalchemy as sa

from endpoint.core.deploy.new_deployment import MAX_LEFT_OUT
from endpoint.core.people import PersonRole, local_person
from endpoint.store import deploy_candidates
from endpoint.store.audit import Audit
from endpoint.store.tables import DEPLOYMENTS, STREAMS
from tests.endpoint.conftest import MakeEndpoint
from tests.support.deployable import DOCKER, PLAN, deployable, hidden_fields, older, report_of
from tests.support.endpoint_server import Answer
from tests.support.host_reports import update
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

SECURITY = {"upgrade": "security", "reboot": "no", "when": "now", "at_once": "2", "stop_after": "1", "expires": "24h"}


@pytest.fixture
def own(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


def preview(visitor: Visitor, selection: str, **changes: str) -> Answer:
    form = visitor.get(f"/deploy?{selection}")
    assert form.status == 200, form.body
    fields = {**hidden_fields(form.body, "preview"), **SECURITY, **changes, "do": "preview"}
    return visitor.post_form("/deploy", fields)


def confirm(visitor: Visitor, shown: Answer) -> Answer:
    return visitor.post_form("/deploy", {**hidden_fields(shown.body, "create"), "do": "create"})


def deploy(visitor: Visitor, selection: str, **changes: str) -> str:
    """Return the path of a new deployment."""
    answer = confirm(visitor, preview(visitor, selection, **changes))
    assert answer.status == 303, answer.body
    return answer.headers["Location"]


def rows(page: bytes) -> list[str]:
    """Return the text of each row in the body of the first table."""
    body = page.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    texts = [re.sub(r"<[^>]*>", " ", row) for row in body.split("</tr>")[:-1]]
    return [re.sub(r"\s+", " ", unescape(text)).strip() for text in texts]


def test_what_a_person_confirms_reaches_the_hosts_and_the_audit(own: LocalEndpoint) -> None:
    visitor = log_in(own, name="ann")
    web1, web2, other = (deployable(own, name, tag) for name, tag in (("web1", "web"), ("web2", "web"), ("db1", "db")))

    shown = preview(visitor, "tag=web", reboot="if-required", comment="INC-1")
    created = confirm(visitor, shown)
    (request,) = web1.offered()
    web1.step(request["id"], "received")
    web1.step(request["id"], "accepted")
    web1.step(request["id"], "running")
    page = visitor.get(created.headers["Location"])

    assert [row.split()[0] for row in rows(shown.body)] == ["web1", "web2"]
    assert PLAN in rows(shown.body)[0]
    assert (request["verb"], request["arguments"]) == ("upgrade-security", {"reboot": "if-required"})
    assert (request["requested_by"], request["comment"], request["plan_id"]) == ("ann", "INC-1", None)
    assert "Running" in rows(page.body)[0]
    assert other.offered() == []
    assert [one["verb"] for one in web2.offered()] == ["upgrade-security"]
    assert [row.split()[0] for row in rows(visitor.get(f"{created.headers['Location']}?status=running").body)] == [
        "web1"
    ]
    assert audited(own) == ["deployment-created"]


def audited(endpoint: LocalEndpoint) -> list[str]:
    """Return what was done with deployments, in order."""
    found = Audit(endpoint.opened).page(local_person("root"))
    return [entry.action for entry in reversed(found) if entry.action.startswith("deployment-")]


def test_a_form_that_is_sent_twice_deploys_once(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    host = deployable(own, "web1")

    shown = preview(visitor, "")
    answers = [confirm(visitor, shown) for _ in range(2)]

    assert {answer.headers["Location"] for answer in answers} == {answers[0].headers["Location"]}
    assert len(host.offered()) == 1


def test_a_form_that_is_sent_again_after_the_hosts_have_gone_on_deploys_once(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    host = deployable(own, "web1")
    shown = preview(visitor, "")
    created = confirm(visitor, shown)
    host.post(report_of(host, updates={"plan_id": "f" * 12}, hash="f" * 16))

    again = confirm(visitor, shown)

    assert (again.status, again.headers["Location"]) == (303, created.headers["Location"])
    assert audited(own) == ["deployment-created"]


@pytest.mark.parametrize("change", ["plan", "new host", "signatures"])
def test_what_was_not_shown_is_not_created(own: LocalEndpoint, change: str) -> None:
    visitor = log_in(own)
    host = deployable(own, "web1")
    shown = preview(visitor, "")
    if change == "plan":
        host.post(report_of(host, updates={"plan_id": "f" * 12}, hash="f" * 16))
    elif change == "signatures":
        host.post(report_of(host, requests={"signed": True}, hash="f" * 16))
    else:
        deployable(own, "web2")

    answer = confirm(visitor, shown)
    again = confirm(visitor, answer)

    assert (answer.status, again.status) == (409, 303)
    assert len(host.offered()) == (0 if change == "signatures" else 1)


def test_exactly_the_previewed_plan_is_in_each_request(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, f"web{number}", updates={"plan_id": str(number) * 12}) for number in range(2)]

    deploy(visitor, "", exact="yes")

    assert [host.offered()[0]["plan_id"] for host in hosts] == ["0" * 12, "1" * 12]


def test_a_host_that_has_reported_no_plan_gets_nothing_where_exactly_the_previewed_plan_is_ordered(
    own: LocalEndpoint,
) -> None:
    visitor = log_in(own)
    known, unknown = deployable(own, "web1"), deployable(own, "new1", updates={"plan_id": None})

    deploy(visitor, "", exact="yes")

    assert [len(host.offered()) for host in (known, unknown)] == [1, 0]


def test_hosts_that_would_not_do_it_are_left_out_with_the_reason(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    deployable(own, "good")
    deployable(own, "deaf", requests={"allow": ["check"]})
    deployable(own, "kept", updates={"security_pending": 0, "held": 1})
    old = older(own, "old")

    shown = preview(visitor, "")
    page = visitor.get(confirm(visitor, shown).headers["Location"])

    left_out = rows(shown.body.partition(b"<caption>Left out")[2])
    assert [row.split()[0] for row in rows(shown.body)] == ["good"]
    assert {row.split()[0] for row in left_out} == {"deaf", "kept", "old"}
    assert next(row for row in left_out if row.startswith("deaf")).endswith("Security upgrades")
    assert b">3 left out" in page.body
    assert old.offered() == []


@pytest.mark.parametrize(("recorded", "said"), [(MAX_LEFT_OUT, "1,000 or more"), (MAX_LEFT_OUT - 1, "999")])
def test_no_page_counts_who_is_left_out_beyond_what_is_recorded(own: LocalEndpoint, recorded: int, said: str) -> None:
    visitor = log_in(own)
    deployable(own, "web1")
    path = deploy(visitor, "")
    left_out = [{"host_id": str(uuid.uuid4()), "host": None, "why": "silent"} for _ in range(recorded)]
    with own.opened.writing() as connection:
        connection.execute(sa.update(DEPLOYMENTS).values(left_out=json.dumps(left_out)))

    assert f">{said} left out<" in visitor.get(path).body.decode()


def test_steps_follow_each_other_on_each_host_and_end_with_a_failure(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, name, docker=DOCKER) for name in ("web1", "web2")]

    path = deploy(visitor, "", docker="yes", stop_after="5")
    first = [host.offered()[0] for host in hosts]
    for host, request, end in zip(hosts, first, ("done", "failed"), strict=True):
        host.step(request["id"], "running")
        host.step(request["id"], end)
    second = [[one["verb"] for one in host.offered()] for host in hosts]

    assert [request["verb"] for request in first] == ["upgrade-security"] * 2
    assert second == [["apply-docker"], []]
    states = [row for row in rows(visitor.get(path).body) if "Docker" in row]
    of_host = (
        visitor.get(f"/hosts/{hosts[0].host_id}").body.partition(b'<h2 id="requests"')[2].partition(b"</table>")[0]
    )
    text = own.run("requests", "show", path.rpartition("/")[2]).stdout
    listed = own.run("requests", "list").stdout
    assert (of_host.count(b"<td>upgrade-security"), of_host.count(b"<td>apply-docker")) == (1, 1)
    assert "upgrade-security; then apply-docker" in text
    assert "upgrade-security; then apply-docker" in listed
    assert sum(line.split()[1:2] == ["apply-docker"] for line in text.splitlines()) == len(hosts)
    assert "Sent" in states[0]
    assert "Cancelled" in states[1]
    assert "an earlier step" in states[1]


def test_a_stopped_deployment_is_resumed_or_cancelled_by_a_person(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, f"web{number}") for number in range(3)]
    path = deploy(visitor, "", at_once="1")

    request = hosts[0].offered()[0]
    hosts[0].step(request["id"], "failed", detail="disk full")
    stopped = visitor.get(path)
    nothing = hosts[1].offered()
    resumed = visitor.submit(path, {"do": "resume"})
    (sent,) = hosts[1].offered()
    cancelled = visitor.submit(path, {"do": "cancel"})
    over = visitor.get(path)

    assert b"Stopped: too many have failed" in stopped.body
    assert b"disk full" in stopped.body
    assert (nothing, resumed.status, cancelled.status) == ([], 303, 303)
    assert hosts[1].beat().json["requests_cancelled"] == [sent["id"]]
    assert hosts[2].offered() == []
    assert b"Cancelling" in over.body
    assert audited(own) == ["deployment-created", "deployment-resumed", "deployment-cancelled"]


def test_the_page_of_a_stopped_deployment_that_has_expired_does_not_wait_for_a_person(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, f"web{number}") for number in range(2)]
    path = deploy(visitor, "")
    (failing,), _ = (host.offered() for host in hosts)
    hosts[0].step(failing["id"], "failed")
    before = visitor.get(path).body

    with own.opened.writing() as connection:
        connection.execute(sa.update(DEPLOYMENTS).values(expires_at=time.time() - 1))
    after = visitor.get(path).body
    resumed = visitor.submit(path, {"do": "resume"})

    assert [b"until a person resumes it" in body for body in (before, after)] == [True, False]
    assert [b'value="resume"' in body for body in (before, after)] == [True, False]
    assert b'role="alert"' in after
    assert resumed.status == 409


def test_the_request_of_one_host_is_cancelled_alone_and_a_lost_host_given_up(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, f"web{number}") for number in range(2)]
    path = deploy(visitor, "")
    (first,), (second,) = (host.offered() for host in hosts)

    one = visitor.submit(path, {"do": "cancel", "request": first["id"]})
    lost = visitor.submit(path, {"do": "cancel", "request": first["id"], "lost": "yes"})
    again = visitor.submit(path, {"do": "cancel", "request": first["id"]})

    assert (one.status, lost.status, again.status) == (303, 303, 409)
    assert ["Cancelled" in row for row in rows(visitor.get(path).body)] == [True, False]
    assert [one["id"] for one in hosts[1].offered()] == [second["id"]]


def test_hosts_that_ask_for_signatures_wait_and_the_page_has_the_command(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    signed, plain = deployable(own, "web1", requests={"signed": True}), deployable(own, "web2")

    path = deploy(visitor, "")
    page = visitor.get(path).body.decode()

    assert (signed.offered(), len(plain.offered())) == ([], 1)
    assert f"maestro-endpoint requests sign {path.rpartition('/')[2][:8]} --with KEY" in page


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"at_once": "0"}, "at_once"), ({"upgrade": "fixes", "fixes": "--x"}, "fixes"), ({"upgrade": "none"}, "upgrade")],
    ids=["at-once", "fixes", "nothing"],
)
def test_a_wrong_field_shows_the_form_again_with_all_that_was_entered(
    own: LocalEndpoint, fields: dict[str, str], name: str
) -> None:
    visitor = log_in(own)
    deployable(own, "web1")

    shown = preview(visitor, "", **fields, comment="kept & <b>")

    assert shown.status == 400
    assert f"{name}:" in shown.body.decode()
    assert 'value="kept &amp; &lt;b&gt;"' in shown.body.decode()


def test_whoever_comes_from_a_fix_finds_it_entered(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    deployable(own, "web1")

    form = visitor.get("/deploy?package=openssl").body.decode()

    assert re.search(r'name="fixes" value="openssl"', form)
    assert re.search(r'name="upgrade" value="fixes" checked', form)


def test_ticked_hosts_are_the_selection(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    hosts = [deployable(own, f"web{number}") for number in range(3)]

    form = visitor.submit("/deploy", {"host": [hosts[0].host_id, hosts[2].host_id]}, page="/account")
    fields = {**hidden_fields(form.body, "preview"), **SECURITY, "do": "preview"}

    assert [row.split()[0] for row in rows(visitor.post_form("/deploy", fields).body)] == ["web0", "web2"]


def test_who_may_not_deploy_or_reboot_is_refused_before_anything_is_done(own: LocalEndpoint) -> None:
    host = deployable(own, "web1", "web")
    viewer, operator = log_in(own, PersonRole.VIEWER), log_in(own, PersonRole.OPERATOR)
    path = deploy(log_in(own), "", reboot="if-required")

    assert viewer.get("/deploy").status == 403
    assert viewer.submit(path, {"do": "cancel"}, page="/account").status == 403
    assert b'name="reboot" value="if-required"' not in operator.get("/deploy").body
    assert preview(operator, "", reboot="if-required").status == 403
    assert operator.submit(path, {"do": "resume"}, page="/account").status == 403
    assert preview(operator, "").status == 200
    assert b"Cancel all" not in viewer.get(path).body
    assert len(host.offered()) == 1


def test_to_cancel_a_deployment_with_reboots_needs_no_right_to_reboot(own: LocalEndpoint) -> None:
    host, operator = deployable(own, "web1", "web"), log_in(own, PersonRole.OPERATOR)
    path = deploy(log_in(own), "", reboot="if-required")

    assert operator.submit(path, {"do": "cancel"}, page=path).status == 303
    assert host.offered() == []


def test_a_person_with_a_scope_deploys_to_it_and_sees_of_other_deployments_only_it(own: LocalEndpoint) -> None:
    web, both = deployable(own, "web1", "web"), deployable(own, "secret-db", "db")
    everybody, operator = log_in(own), log_in(own, PersonRole.OPERATOR, tags={"web"})
    theirs = deploy(everybody, "tag=db&tag=web", comment="all")
    hidden = deploy(everybody, "tag=db")

    page = operator.get(theirs).body.decode()
    answers = [operator.get(hidden), operator.submit(hidden, {"do": "cancel"}, page="/account")]
    shown = preview(operator, f"host={web.host_id}&host={both.host_id}")
    cancelled = operator.submit(theirs, {"do": "cancel"})

    assert [row.split()[0] for row in rows(page.encode())] == ["web1"]
    assert ("secret-db" in page, "tag=db" in page, both.host_id in page) == (False, False, False)
    assert "0 of 1 request ended" in page
    assert {answer.status for answer in answers} == {404}
    assert hidden not in operator.get("/deployments").body.decode()
    assert [row.split()[0] for row in rows(shown.body)] == ["web1"]
    assert cancelled.status == 303
    assert web.offered() == []
    assert len(both.offered()) == 2, "the hosts of others go on"


@pytest.mark.parametrize(
    "path",
    [
        "/deployments/x",
        "/deployments/../x",
        f"/deployments/{'0' * 36}",
        "/deployments?from=-1",
        "/deployments?from=x",
        f"/deployments?from=000000000{'9' * 30}",
    ],
)
def test_what_is_no_deployment_is_refused(own: LocalEndpoint, path: str) -> None:
    assert log_in(own).get(path).status in {400, 404}


def test_every_text_of_hosts_and_people_is_text(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    evil = "<script>alert(1)</script>\u202e"
    host = deployable(own, evil)
    shown = preview(visitor, "", comment="<img src=x>")
    path = confirm(visitor, shown).headers["Location"]
    (request,) = host.offered()
    host.step(request["id"], "failed", detail=evil, run=evil, why=evil, signed_by=evil)

    for page in (shown.body.decode(), visitor.get(path).body.decode(), visitor.get("/deployments").body.decode()):
        assert "<script>alert" not in page
        assert "<img" not in page.replace('<img src="/static', "")
        assert "\u202e" not in page


def test_named_fixes_go_to_the_hosts_that_lack_them(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    lacks = {"items": [update("openssl", "CVE-2026-1000"), update("zlib1g")], "held_items": []}
    held = {
        name: update("openssl", "CVE-2026-1000")[name] for name in ("package", "architecture", "installed", "candidate")
    }
    held |= {"why": "held-by-admin", "detail": "", "until": None, "cves": ["CVE-2026-1000"], "cves_complete": True}
    keeps = {"items": [], "held_items": [held]}
    hosts = {name: deployable(own, name, updates=has) for name, has in (("lacks", lacks), ("keeps", keeps))}
    hosts["has"] = deployable(own, "has", updates={"items": [], "held_items": []})

    shown = {fixes: preview(visitor, "", upgrade="fixes", fixes=fixes) for fixes in ("CVE-2026-1000", "openssl:amd64")}
    confirm(visitor, shown["CVE-2026-1000"])
    other = preview(visitor, "", upgrade="fixes", fixes="openssl:arm64 nothing")

    for fixes, page in shown.items():
        assert [row.split()[0] for row in rows(page.body)] == ["lacks"]
        left_out = rows(page.body.partition(b"<caption>Left out")[2])
        assert [row.split(" ", 1) for row in left_out] == [
            ["has", f"nothing to do Upgrade of named fixes: {fixes}"],
            ["keeps", f"all of it is held back there Upgrade of named fixes: {fixes}"],
        ]
    assert hosts["lacks"].offered()[0]["arguments"] == {"fixes": ["CVE-2026-1000"]}
    assert b"No host is left" in other.body


def test_a_host_without_a_window_is_left_out_of_work_in_windows(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    deployable(own, "web1")
    deployable(own, "web2", requests={"windows": []})

    shown = preview(visitor, "", when="window")

    assert [row.split()[0] for row in rows(shown.body)] == ["web1"]
    assert b"has no maintenance window for it" in shown.body


def test_a_silent_host_is_left_out(own: LocalEndpoint) -> None:
    visitor = log_in(own)
    deployable(own, "web1")
    long_ago = (datetime.now(timezone.utc) - timedelta(hours=1)).timestamp()
    own.opened.write(
        lambda connection: connection.execute(sa.update(STREAMS).values(last_seen_at=long_ago, last_seen_slot=0))
    )

    shown = preview(visitor, "")

    assert [row.split()[:2] for row in rows(shown.body)] == [["web1", "silent"]]


def test_too_many_hosts_are_refused_with_what_to_do(own: LocalEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_candidates, "MAX_HOSTS", 1)
    for number in range(2):
        deployable(own, f"web{number}")

    assert preview(log_in(own), "").status == 400
