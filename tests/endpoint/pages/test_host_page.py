"""A host's page shows its whole report; tags and notes are edited there by those who may."""

import pytest

from endpoint.core.audit import AuditAction
from endpoint.core.people import PersonRole, local_person
from endpoint.store.audit import Audit
from tests.endpoint.test_validation import faults
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.reporting import CVE, reporting_host
from tests.support.reports import full, unknown
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

EVENTS = ("outcome", "reboot-outcome", "rebooted", "job-failed", "reboot-required")


@pytest.fixture
def visitor(endpoint: LocalEndpoint) -> Visitor:
    return log_in(endpoint)


def page(visitor: Visitor, box: Outbox) -> str:
    answer = visitor.get(f"/hosts/{box.host}")
    assert answer.status == 200, answer.body
    return answer.body.decode()


def test_a_host_is_shown_with_what_is_held_and_what_opens_it(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    shown = page(visitor, reporting_host(endpoint, events=EVENTS))

    for text in (
        *("libssl3", CVE, "3.0.16-1~deb12u1", "held-by-admin", "apt-mark unhold nginx", "linux-image-6.1.0-3-amd64"),
        *("alice is logged in", "maestro-agent reboot --despite sessions", "20.10.24", "restart pending"),
        *("mariadb-server:amd64", "booted with kernel", "check ended with code 1", "not reachable here"),
        *("cron.service", "app.service", "nginx.service has failed since the boot"),
    ):
        assert text in shown, text


def test_a_host_whose_release_has_ended_since_its_report_is_not_called_supported(
    endpoint: LocalEndpoint, visitor: Visitor
) -> None:
    release = {**full()["release"], "support": "supported", "phase": "standard", "until": "2026-01-01"}

    shown = page(visitor, reporting_host(endpoint, release=release))

    assert "gets no security updates" in shown
    assert ", supported" not in shown


def test_what_a_host_does_not_report_is_shown_as_unknown(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    empty = {name: part for name, part in unknown().items() if name not in ("host", "schema", "generated_at")}

    shown = page(visitor, reporting_host(endpoint, **empty))

    assert "What is pending is unknown" in shown
    assert "It is unknown whether a reboot is required" in shown
    assert "No security update is pending" not in shown


def test_a_host_without_a_report_is_shown(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    box = Outbox()
    assert endpoint.client(endpoint.any_host_token).post(box.batch(box.event())).statuses == ["accepted"]

    assert "has sent no report yet" in page(visitor, box)


@pytest.mark.parametrize("path", ["/hosts/{}", "/hosts/{}?x=1", "/hosts/{}/"], ids=["plain", "with a query", "slash"])
@pytest.mark.parametrize(
    "host", ["00000000-0000-4000-8000-000000000000", "x", "%00", "..%2f", "' OR 1=1 --"], ids=lambda text: text[:8]
)
def test_an_unknown_host_is_not_found(visitor: Visitor, path: str, host: str) -> None:
    assert visitor.get(path.format(host)).status == 404


def test_tags_are_set_and_those_of_the_host_stay(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    box = reporting_host(endpoint, tag="old", agent_tags=["rack-7"])

    answer = visitor.submit(f"/hosts/{box.host}/tags", {"tags": "web, db web"}, page=f"/hosts/{box.host}")

    assert (answer.status, answer.headers["Location"]) == (303, f"/hosts/{box.host}")
    shown = page(visitor, box)
    assert '<span class="tag ">old</span>' not in shown
    assert '<span class="tag agent">rack-7</span>' in shown
    assert '<span class="tag ">web</span>' in shown


@pytest.mark.parametrize(
    "tags", ["<b>", "a b\0", "x" * 65, " ".join(f"t{one}" for one in range(65))], ids=lambda t: t[:3]
)
def test_what_is_no_tag_is_refused_and_changes_nothing(endpoint: LocalEndpoint, visitor: Visitor, tags: str) -> None:
    box = reporting_host(endpoint, tag="old")

    answer = visitor.submit(f"/hosts/{box.host}/tags", {"tags": tags}, page=f"/hosts/{box.host}")

    assert answer.status == 400
    assert '<span class="tag ">old</span>' in page(visitor, box)


def test_a_note_is_added_shown_and_deleted_and_each_is_recorded(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    box = reporting_host(endpoint)
    place = f"/hosts/{box.host}"

    assert visitor.submit(f"{place}/notes", {"text": "ask <bob>\nfirst"}, page=place).status == 303
    shown = page(visitor, box)
    assert "ask &lt;bob&gt;\nfirst" in shown
    number = shown.partition(f"{place}/notes/")[2].partition("/")[0]
    other = reporting_host(endpoint)
    assert visitor.submit(f"/hosts/{other.host}/notes/{number}/delete", {}, page=place).status == 400
    assert visitor.submit(f"{place}/notes/{2**80}/delete", {}, page=place).status == 400
    assert visitor.submit(f"{place}/notes/{number}/delete", {}, page=place).status == 303

    assert "ask &lt;bob&gt;" not in page(visitor, box).partition("New note")[0].partition('id="notes"')[2]
    entries = [one for one in Audit(endpoint.opened).page(local_person("root")) if one.host_id == box.host]
    assert [one.action for one in entries] == [AuditAction.NOTE_CHANGED.value] * 2


@pytest.mark.parametrize("text", ["", " \n ", "x" * 2001], ids=["empty", "blank", "long"])
def test_an_empty_or_too_long_note_is_refused(endpoint: LocalEndpoint, visitor: Visitor, text: str) -> None:
    place = f"/hosts/{reporting_host(endpoint).host}"

    assert visitor.submit(f"{place}/notes", {"text": text}, page=place).status == 400


def test_a_viewer_sees_no_form_and_may_change_nothing(endpoint: LocalEndpoint) -> None:
    viewer = log_in(endpoint, PersonRole.VIEWER)
    place = f"/hosts/{reporting_host(endpoint).host}"
    shown = viewer.get(place).body.decode()

    assert f"{place}/notes" not in shown
    assert f"{place}/tags" not in shown
    assert viewer.submit(f"{place}/notes", {"text": "x"}, page=place).status == 403
    assert viewer.submit(f"{place}/tags", {"tags": "x"}, page=place).status == 403


def test_an_operator_may_write_notes_and_not_change_tags(endpoint: LocalEndpoint) -> None:
    operator = log_in(endpoint, PersonRole.OPERATOR)
    place = f"/hosts/{reporting_host(endpoint).host}"

    assert operator.submit(f"{place}/notes", {"text": "x"}, page=place).status == 303
    assert operator.submit(f"{place}/tags", {"tags": "x"}, page=place).status == 403


def test_a_host_outside_of_the_scope_is_answered_like_one_that_does_not_exist(endpoint: LocalEndpoint) -> None:
    operator = log_in(endpoint, PersonRole.OPERATOR, tags={"web"})
    own, other = reporting_host(endpoint, tag="web"), reporting_host(endpoint, agent_tags=["web"])
    nobody = "00000000-0000-4000-8000-000000000000"

    assert operator.get(f"/hosts/{own.host}").status == 200
    for suffix, method in (("", "GET"), ("/notes", "POST"), ("/notes/1/delete", "POST")):
        answers = [
            operator.get(f"/hosts/{host}{suffix}")
            if method == "GET"
            else operator.submit(f"/hosts/{host}{suffix}", {"text": "x"}, page=f"/hosts/{own.host}")
            for host in (other.host, nobody)
        ]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].body == answers[1].body


def test_programs_read_the_host_with_its_report(endpoint: LocalEndpoint) -> None:
    box = reporting_host(endpoint, events=EVENTS, name="first", agent_tags=["rack-7"])
    program = endpoint.client(endpoint.token("--admin"))

    document = program.get(f"/v1/hosts/{box.host}").json

    assert faults("maestro.host-1", document) == []
    assert (document["host"]["name"], document["host"]["agent_tags"]) == ("first", ["rack-7"])
    assert document["report"]["updates"]["security_pending"] == 3
    assert {one["kind"] for one in document["runs"]} == {"Upgrade", "Reboot"}
    assert program.get(f"/v1/hosts/{Outbox().host}").status == 404


def test_a_program_of_another_scope_does_not_find_it(endpoint: LocalEndpoint) -> None:
    box = reporting_host(endpoint, tag="db", agent_tags=["web"])
    program = endpoint.client(endpoint.token("--role", "viewer", "--tag", "web"))

    assert program.get(f"/v1/hosts/{box.host}").status == 404
