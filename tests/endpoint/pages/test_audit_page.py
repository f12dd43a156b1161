"""The audit: who did what, what came of it, and nothing of hosts that a person does not see."""

import html
import json
import re
from datetime import datetime, timedelta, timezone

import pytest

from endpoint.core.audit import AuditAction
from endpoint.core.people import PersonRole
from endpoint.store.audit import Audit
from endpoint.store.audit_pages import PAGE, AuditCursor
from tests.endpoint.conftest import MakeEndpoint
from tests.support.local_endpoint import LocalEndpoint
from tests.support.reporting import reporting_host
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


def page(visitor: Visitor, query: str = "") -> str:
    answer = visitor.get(f"/audit{query}")
    assert answer.status == 200, answer.body
    return answer.body.decode()


def actions(shown: str) -> int:
    return shown.count("<tr>") - 1 if "<table>" in shown else 0


def test_a_deployment_is_shown_once_with_what_came_of_each_request(endpoint: LocalEndpoint) -> None:
    box = reporting_host(endpoint, name="first")
    made = endpoint.run("request", "check", "--host", box.host)
    identity = made.stdout.partition(":")[0]

    shown = page(log_in(endpoint), f"?deployment={identity}")

    assert actions(shown) == 1
    assert "1 queued" in shown
    assert f'<a href="/hosts/{box.host}">first</a>' in shown
    assert endpoint.run("requests", "cancel", identity).returncode == 0
    again = page(log_in(endpoint), f"?deployment={identity}")
    assert "1 cancelled" in again
    assert actions(again) == 2


def test_a_host_has_what_was_done_to_whole_deployments_with_it_and_to_its_own_requests(endpoint: LocalEndpoint) -> None:
    own, other = reporting_host(endpoint, name="own"), reporting_host(endpoint, name="other")
    made = json.loads(endpoint.run("request", "check", "--host", own.host, other.host, "--json").stdout)
    of_other = next(one["id"] for one in made["requests"] if one["host_id"] == other.host)
    assert endpoint.run("requests", "cancel", of_other).returncode == 0
    visitor = log_in(endpoint)

    cancelled_there = actions(page(visitor, f"?host={own.host}"))
    assert endpoint.run("requests", "cancel", made["id"]).returncode == 0

    assert cancelled_there == 1, "its creation, not what was done to the other host"
    assert actions(page(visitor, f"?host={own.host}")) == 2
    assert actions(page(visitor, f"?host={other.host}")) == 3


def test_a_deployment_whose_origin_is_no_longer_kept_is_not_said_to_be_made_on_this_machine(
    endpoint: LocalEndpoint,
) -> None:
    box = reporting_host(endpoint)
    made = endpoint.run("request", "check", "--host", box.host).stdout.partition(":")[0]
    visitor = log_in(endpoint)
    before = page(visitor, f"?deployment={made}")
    list(Audit(endpoint.opened).delete_old(datetime.now(timezone.utc) + timedelta(hours=1)))

    after = page(visitor, f"?deployment={made}")

    assert (actions(before), actions(after)) == (1, 1)
    assert "the endpoint's machine</span>" in html.unescape(before)
    assert "no longer recorded</span>" in after


def test_entries_are_filtered_and_paged_and_none_is_lost_or_shown_twice(endpoint: LocalEndpoint) -> None:
    visitor = log_in(endpoint, name="alice")
    place = f"/hosts/{reporting_host(endpoint).host}"
    token = visitor.form_token(place)
    total = PAGE // 2 + 10
    for number in range(total):
        values: dict[str, object] = {"form_token": token, "text": f"note {number:03d}"}
        assert visitor.post_form(f"{place}/notes", values).status == 303
        if number >= 60:
            break
    for _ in range(PAGE - total + 10):
        endpoint.run("request", "check", "--host", place.rpartition("/")[2])

    first = page(visitor)
    following = re.search(r'rel="next" href="/audit([^"]+)"', first)
    assert following is not None
    second = page(visitor, following[1].replace("&amp;", "&"))

    assert actions(first) == PAGE
    notes = re.findall(r"note \d{3}", first) + re.findall(r"note \d{3}", second)
    assert sorted(notes) == [f"note {number:03d}" for number in range(total)]
    assert actions(page(visitor, "?person=alice&action=note-changed")) == total
    assert actions(page(visitor, "?person=nobody")) == 0


@pytest.mark.parametrize(
    "query", ["?x=1", "?host=x", "?deployment=1", "?after=x", "?after=0x1~0", "?person=%00", f"?person={'x' * 257}"]
)
def test_a_bad_parameter_is_refused(endpoint: LocalEndpoint, query: str) -> None:
    assert log_in(endpoint).get(f"/audit{query}").status == 400


@pytest.mark.parametrize("text", ["nan~0~1", "inf~0~1", "0x1.8p+1~1~9999999999999999", "-0x1p+3~7~0"])
def test_an_odd_cursor_shows_a_page(endpoint: LocalEndpoint, text: str) -> None:
    assert log_in(endpoint).get(f"/audit?after={text.replace('+', '%2B')}").status in {200, 400}


def test_a_cursor_survives_its_address() -> None:
    cursor = AuditCursor(at_s=1795421400.1234567, source=1, id=42)

    assert AuditCursor.parse(str(cursor)) == cursor


def test_what_concerns_other_hosts_is_not_shown(endpoint: LocalEndpoint) -> None:
    own, other = reporting_host(endpoint, name="own", tag="web"), reporting_host(endpoint, name="other")
    both = endpoint.run("request", "check", "--host", own.host, other.host).stdout.partition(":")[0]
    theirs = endpoint.run("request", "check", "--host", other.host).stdout.partition(":")[0]
    admin = log_in(endpoint)
    admin.submit(f"/hosts/{other.host}/notes", {"text": "secret"}, page=f"/hosts/{other.host}")
    visitor = log_in(endpoint, PersonRole.VIEWER, tags={"web"})

    shown = page(visitor)

    assert both[:8] in shown
    assert "1 queued" in shown
    for hidden in (theirs[:8], other.host, "other", "secret", "2 hosts"):
        assert hidden not in shown.partition("<table>")[2], hidden
    assert actions(page(visitor, f"?host={other.host}")) == 0
    assert actions(page(visitor, f"?deployment={theirs}")) == 0
    assert endpoint.run("requests", "cancel", both).returncode == 0
    assert actions(page(visitor, f"?deployment={both}")) == 2


def test_every_action_can_be_chosen(endpoint: LocalEndpoint) -> None:
    shown = page(log_in(endpoint))

    assert [action.value for action in AuditAction if f'value="{action.value}"' not in shown] == []


def test_what_commands_change_is_recorded_with_the_caller(endpoint: LocalEndpoint) -> None:
    box = reporting_host(endpoint, name="first")
    client = endpoint.client(endpoint.any_host_token)
    assert client.fleet_lock("pre-reboot", box.host).status == 200

    assert endpoint.run("tag", box.host, "--add", "web").returncode == 0
    assert endpoint.run("tag", box.host).returncode == 0
    assert endpoint.run("locks", "release", "first", "--why", "it burned down").returncode == 0

    shown = page(log_in(endpoint))
    assert shown.count("tags changed</td>") + shown.count("tags changed<br>") == 1
    assert "+web" in shown
    assert "group default: it burned down" in shown
