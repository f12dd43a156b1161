"""Forms that are sent after their login has ended: nothing is done, and what a person typed or ticked comes back."""

import re
from datetime import datetime, timedelta, timezone
from html import unescape

import pytest

from endpoint.core.enrolment import EnrolmentStatus
from endpoint.store.enrolments import Enrolments
from endpoint.store.people.sessions import Sessions
from tests.endpoint.conftest import MakeEndpoint
from tests.support.browser import browser
from tests.support.deployable import deployable
from tests.support.endpoint_server import Answer
from tests.support.enrolment import Newcomer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox
from tests.support.reporting import reporting_host
from tests.support.served import hand_over, served
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

NOTE = "Rack 7: 12 reallocated sectors;\nno reboot before Friday, ask <Bob>."
OURS = {"Sec_Fetch_Site": "same-origin"}
_FIELD = re.compile(
    r'<(?:input type="(?:hidden|text)" name="(\w+)" value="([^"]*)"|textarea name="(\w+)"[^>]*>\n([^<]*)<)'
)
_FORM = re.compile(r'<form method="post" action="([^"]*)" class="panel stack">(.*?)</form>', re.DOTALL)


def sessions(endpoint: LocalEndpoint) -> Sessions:
    return Sessions(endpoint.opened, lifetime=timedelta(hours=1), idle=timedelta(hours=1))


def end_login(endpoint: LocalEndpoint, visitor: Visitor) -> None:
    sessions(endpoint).end(visitor.cookies["maestro"])


def new_login(endpoint: LocalEndpoint, visitor: Visitor, name: str = "ann") -> None:
    visitor.cookies["maestro"] = sessions(endpoint).start(name, visitor.address, datetime.now(timezone.utc))


def shown_again(answer: Answer) -> tuple[str, dict[str, str]]:
    """Return where the form of the page goes, and what is in it."""
    ((action, form),) = _FORM.findall(answer.body.decode())
    found = {one[0] or one[2]: unescape(one[1] or one[3]) for one in _FIELD.findall(form)}
    return action, found


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint()


@pytest.fixture
def ann(endpoint: LocalEndpoint) -> Visitor:
    return log_in(endpoint, name="ann", may_reboot=True)


@pytest.fixture
def box(endpoint: LocalEndpoint) -> Outbox:
    return reporting_host(endpoint)


def test_a_note_of_an_ended_session_comes_back_until_it_is_sent_in_a_new_one(
    endpoint: LocalEndpoint, ann: Visitor, box: Outbox
) -> None:
    place = f"/hosts/{box.host}"
    note = {"form_token": ann.form_token(place), "text": NOTE.replace("\n", "\r\n")}
    end_login(endpoint, ann)

    ended = ann.post_form(f"{place}/notes", note, Referer=f"https://localhost{place}?x=1", **OURS)
    assert ended.status == 403
    assert shown_again(ended) == (f"{place}/notes", {"text": NOTE})
    assert f'href="/login?next=%2Fhosts%2F{box.host}%3Fx%3D1" target="_blank"' in ended.body.decode()

    new_login(endpoint, ann)
    late = ann.post_form(f"{place}/notes", shown_again(ended)[1], **OURS)
    action, values = shown_again(late)
    assert (late.status, action, values["text"]) == (403, f"{place}/notes", NOTE)
    assert "ask &lt;Bob&gt;" not in ann.get(place).body.decode()

    assert ann.post_form(action, values, **OURS).status == 303
    assert "ask &lt;Bob&gt;" in ann.get(place).body.decode()


def test_a_reason_comes_back_with_the_slot_that_it_is_for(ann: Visitor) -> None:
    sent = {"group": "web", "client": "0123", "since": "2026-11-30T10:00:00Z", "why": "the disk is dead"}

    late = ann.post_form("/locks/release", {"form_token": "0" * 64, **sent}, **OURS)

    action, values = shown_again(late)
    assert (late.status, action) == (403, "/locks/release")
    assert values == {"form_token": ann.form_token("/account"), **sent}


def test_an_order_comes_back_as_its_form_and_creates_nothing(endpoint: LocalEndpoint, ann: Visitor) -> None:
    deployable(endpoint, "web1")
    order = {"selection": "", "do": "create", "upgrade": "fixes", "fixes": "curl", "at_once": "5%", "comment": "CHG-1"}

    late = ann.post_form("/deploy", {"form_token": "0" * 64, **order}, **OURS)

    page = late.body.decode()
    assert late.status == 403
    assert [f'name="{name}" value="{order[name]}"' in page for name in ("fixes", "at_once", "comment")] == [True] * 3
    assert 'name="do" value="preview"' in page
    assert "Nothing has been deployed yet" in ann.get("/deployments").body.decode()


def test_ticked_hosts_are_as_good_in_the_next_login_as_nothing_is_done_with_them(ann: Visitor, box: Outbox) -> None:
    late = ann.post_form("/hosts/ticked", {"form_token": "0" * 64, "host": box.host, "query": "q=web"}, **OURS)

    assert (late.status, late.headers["Location"]) == (303, "/deploy?q=web")


def test_ticked_enrolments_stay_ticked_and_wait(endpoint: LocalEndpoint, ann: Visitor) -> None:
    key = endpoint.token("--enrol", "--approve")
    assert [Newcomer(name=f"new-{n}").ask(endpoint.client(key)).status for n in range(2)] == [202] * 2
    first = Enrolments(endpoint.opened).all()[0]
    form = {"form_token": "0" * 64, "id": first.id, "do": "approve"}

    late = ann.post_form("/enrolments", form, **OURS)

    assert late.status == 403
    ticked = re.findall(r'name="id" value="([^"]+)" checked', late.body.decode())
    assert ticked == [first.id]
    statuses = {one.status for one in Enrolments(endpoint.opened).all()}
    assert statuses == {EnrolmentStatus.WAITING}


@pytest.mark.parametrize("headers", [{}, {"Sec_Fetch_Site": "none"}, {"Sec_Fetch_Site": "cross-site"}], ids=repr)
@pytest.mark.parametrize("path", ["/locks/release", "/deploy", "/hosts/ticked", "/enrolments"])
def test_nothing_comes_back_filled_in_that_another_site_may_have_sent(
    endpoint: LocalEndpoint, ann: Visitor, path: str, headers: dict[str, str]
) -> None:
    form = {"selection": "", "comment": "from elsewhere", "why": "from elsewhere", "id": "x", "host": "x"}
    refused = ann.post_form(path, form, **headers)
    end_login(endpoint, ann)
    unknown = ann.post_form(path, form, **headers)

    assert (refused.status, unknown.status) == (403, 303)
    assert "from elsewhere" not in refused.body.decode()
    assert "form_token" not in refused.body.decode().partition("<main")[2]


@pytest.mark.parametrize("path", ["/account", "/login", "/logout", "/deployments/x"])
def test_no_password_and_no_bare_action_comes_back(endpoint: LocalEndpoint, ann: Visitor, path: str) -> None:
    form = {"form_token": "0" * 64, "password": "correct horse battery", "do": "cancel", "action": "password"}
    answers = [ann.post_form(path, form, **OURS)]
    end_login(endpoint, ann)
    answers.append(ann.post_form(path, form, **OURS))

    for answer in answers:
        assert answer.status in {303, 403}
        assert b"correct horse" not in answer.body
        assert b'value="cancel"' not in answer.body


def test_a_login_leads_back_to_the_page_that_the_form_was_on(endpoint: LocalEndpoint, ann: Visitor) -> None:
    end_login(endpoint, ann)

    def back(referer: str) -> str:
        return ann.post_form("/deployments/x", {"do": "cancel"}, Referer=referer).headers["Location"]

    assert back("https://localhost/deployments/x?status=queued") == "/login?next=%2Fdeployments%2Fx%3Fstatus%3Dqueued"
    assert [back(one) for one in ("", "https://localhost//evil.example", "x:\\y")] == ["/login"] * 3


@pytest.mark.xdist_group("browser")
def test_a_browser_without_javascript_keeps_what_was_typed_over_a_login(
    endpoint: LocalEndpoint, ann: Visitor, box: Outbox
) -> None:
    with served(endpoint) as address, browser(javascript=False) as made:
        hand_over(ann, made, address)
        made.open(f"{address}/hosts/{box.host}")
        made.fill(text="ask me first")
        end_login(endpoint, ann)
        made.press("Add the note")
        faults = made.faults()
        new_login(endpoint, ann)
        made.driver.add_cookie(
            {"name": "maestro", "value": ann.cookies["maestro"], "httpOnly": True, "sameSite": "Lax"}
        )
        made.press("Go on")
        kept = made.find("[name=text]").get_attribute("value")
        made.press("Send")

        assert faults == []
        assert kept == "ask me first"
        assert made.path == f"/hosts/{box.host}"
        assert "ask me first" in made.find("[data-live=notes]").text
