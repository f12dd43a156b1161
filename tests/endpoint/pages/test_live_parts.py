"""What is refreshed by itself in Debian's chromium: nothing that a person does moves to another object or is lost."""

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from endpoint.store.deployments import Actor
from endpoint.store.tags import HostTags
from tests.endpoint.conftest import MakeEndpoint
from tests.support.browser import Browser, browser
from tests.support.deployable import deployable
from tests.support.local_endpoint import LocalEndpoint
from tests.support.messages import Outbox, outcome
from tests.support.reporting import reporting_host
from tests.support.request_hosts import RequestHost
from tests.support.served import hand_over, served
from tests.support.visitor import Visitor
from tests.support.visitor import visitor as log_in

pytestmark = pytest.mark.xdist_group("browser")
_SOON = """
document.getElementById("live-status").textContent = "";
const later = Date.now() + 30_000;
Date.now = () => later;
document.dispatchEvent(new Event("visibilitychange"));
"""
"""As if the page were seen again after 30 s: it is refreshed at once, and the pointer has rested since."""
_FOCUS = """
const at = document.activeElement;
return [at.textContent.trim(), at.closest("tr")?.querySelector("th").textContent.trim() ?? ""];
"""


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> LocalEndpoint:
    return make_endpoint(locks={"groups": {"web": 3}})


@pytest.fixture
def site(endpoint: LocalEndpoint) -> Iterator[tuple[Browser, str, Visitor]]:
    """Return a browser in which ann is logged in, the site's address, and ann elsewhere."""
    with served(endpoint) as address, browser() as made:
        ann = log_in(endpoint, name="ann", may_reboot=True)
        hand_over(ann, made, address)
        yield made, address, ann
        assert made.complaints() == []


def refresh(made: Browser) -> str:
    """Let the page be refreshed; return what it says of that."""
    made.script(_SOON)
    made.wait_for("efreshed")
    return str(made.find("#live-status").text)


def deployed(made: Browser, address: str) -> None:
    """Deploy to all hosts, and stay on the page of the deployment."""
    made.open(f"{address}/deploy")
    made.press("Preview")
    made.go("button[value=create]")


def take_slot(endpoint: LocalEndpoint, box: Outbox) -> None:
    client = endpoint.client(endpoint.any_host_token)
    assert client.fleet_lock("pre-reboot", box.host.replace("-", ""), "web").status == 200


def run(endpoint: LocalEndpoint, box: Outbox, number: int) -> None:
    """Report a run."""
    done = {**outcome(), "id": f"2026112{number}T081000Z-001"}
    done["started_at"] = done["finished_at"] = f"2026-11-2{number}T08:10:00Z"
    answer = endpoint.client(endpoint.any_host_token).post(box.batch(box.event("outcome", done)))
    assert answer.statuses == ["accepted"]


def holders(made: Browser) -> dict[str, tuple[bool, str]]:
    """Return whether the form of each holder is open, and the reason in it."""
    rows: list[list[Any]] = made.script(
        "return [...document.querySelectorAll('[data-live=locks] details')].map((one) => "
        "[one.closest('tr').querySelector('th').textContent.trim(), one.open, one.querySelector('[name=why]').value])"
    )
    return {name: (is_open, why) for name, is_open, why in rows}


def ticks(made: Browser, where: str) -> list[str]:
    labels: list[str] = made.script(
        f"return [...document.querySelectorAll('{where} [name=host]:checked')].map((one) => one.ariaLabel)"
    )
    return labels


def test_a_refresh_leaves_the_focus_on_the_cancel_of_the_same_host_or_nowhere(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    hosts = [deployable(endpoint, f"web{number}") for number in range(1, 4)]
    deployed(made, address)
    made.script("document.querySelectorAll('tbody button')[1].focus()")
    before = made.script(_FOCUS)

    assert refresh(made) == "Refreshed every 10 s."
    assert made.script(_FOCUS) == before
    assert before[0] == "Cancel"

    host = next(one for one in hosts if one.name == before[1])
    (request,) = host.offered()
    host.step(request["id"], "done")
    refresh(made)
    assert made.script("return document.activeElement === document.body")
    made.driver.switch_to.active_element.send_keys(Keys.ENTER)
    refresh(made)
    assert "cancelled" not in made.find("tbody").text.lower()


def test_what_is_about_to_be_clicked_stays_below_the_pointer(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    hosts = [deployable(endpoint, f"web{number}") for number in range(1, 3)]
    deployed(made, address)
    made.open(f"{made.url}?status=queued")
    rows = made.find("tbody").text
    first = next(host for host in hosts if rows.startswith(host.name))
    (request,) = first.offered()
    first.step(request["id"], "done")

    made.script("const later = Date.now() + 30_000; Date.now = () => later")
    ActionChains(made.driver).move_to_element(made.find("tbody button")).perform()
    made.script('document.dispatchEvent(new Event("visibilitychange"))')
    made.wait_for("Not refreshed since")
    assert made.find("tbody").text == rows

    assert refresh(made) == "Refreshed every 10 s."  # as the pointer rests
    assert not made.find("tbody").text.startswith(first.name)


def test_an_opened_run_stays_open_and_a_closed_one_closed_when_another_one_is_above_them(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    box = reporting_host(endpoint)
    for number in (1, 2, 3):
        run(endpoint, box, number)
    made.open(f"{address}/hosts/{box.host}")
    made.script("for (const at of [0, 2]) document.querySelectorAll('details[id^=run] summary')[at].click()")
    made.script("document.querySelectorAll('details[id^=run] summary')[2].focus()")

    run(endpoint, box, 4)
    refresh(made)

    opened: list[str] = made.script(
        "return [...document.querySelectorAll('details[id^=run][open]')].map((one) => one.id)"
    )
    assert opened == ["run-20261124T081000Z-001", "run-20261121T081000Z-001"]  # the newest is open at first
    assert made.script("return document.activeElement.parentElement.id") == "run-20261121T081000Z-001"


def test_an_opened_form_is_that_of_the_same_holder_and_what_is_typed_in_it_stays_until_it_is_taken_back(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    first, second, third = (reporting_host(endpoint, name=f"web{number}") for number in range(3))
    for box in (second, third):
        take_slot(endpoint, box)
    made.open(f"{address}/locks")
    made.driver.find_element("xpath", "//tr[normalize-space(th)='web2']//summary").click()
    take_slot(endpoint, first)
    refresh(made)
    assert holders(made) == {"web0": (False, ""), "web1": (False, ""), "web2": (True, "")}

    field = made.find("details[open] [name=why]")
    field.send_keys("the disk is dead", Keys.TAB)
    as_of = made.find("[data-live=as-of]").text
    said = refresh(made)

    assert holders(made)["web2"] == (True, "the disk is dead")
    assert said.startswith("Not refreshed since")
    assert made.find("[data-live=as-of]").text == as_of

    field.clear()
    made.script("document.activeElement.blur()")
    assert refresh(made) == "Refreshed every 10 s."


def test_a_ticked_host_stays_ticked_where_the_list_has_moved_on(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    hosts: list[RequestHost] = [deployable(endpoint, f"web{number}") for number in range(4)]
    made.open(f"{address}/hosts?limit=2&sort=-seen")
    for box in made.find_all("tbody [name=host]"):
        box.click()
    chosen = ticks(made, "tbody")
    for host in hosts:
        if f"Select {host.name}" not in chosen:
            host.beat()

    refresh(made)
    moved = ticks(made, "[data-kept]")
    assert sorted(moved + ticks(made, "tbody")) == sorted(chosen)
    assert moved
    assert made.find("[data-count]").text == f"2 selected, {len(moved)} of them not on this page any more"
    made.press("Deploy to the ticked hosts")
    assert {f"Select {host.name}" for host in hosts if host.host_id in made.url} == set(chosen)


def test_the_list_is_refreshed_around_a_note_that_is_being_typed(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, ann = site
    box = reporting_host(endpoint)
    place = f"/hosts/{box.host}"
    made.open(address + place)
    made.fill(text="the disk is")
    ann.submit(f"{place}/notes", {"text": "ask Bob first"}, page=place)
    HostTags(endpoint.opened).change(
        box.host, add=["prod"], remove=(), label="web-1", by=Actor(name="bob", at=datetime.now(timezone.utc))
    )

    assert refresh(made) == "Refreshed every 10 s."
    assert "ask Bob first" in made.find("[data-live=notes]").text
    assert "prod" in made.find("[data-live=tags]").text
    assert made.find("textarea").get_attribute("value") == "the disk is"


def test_a_chosen_condition_stays_until_it_is_taken_back(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor]
) -> None:
    made, address, _ = site
    reporting_host(endpoint)
    made.open(f"{address}/hosts?state=held")

    made.choose("state", "silent")
    made.script("document.activeElement.blur()")
    assert refresh(made).startswith("Not refreshed since")
    assert made.find("[name=state]").get_attribute("value") == "silent"

    made.choose("state", "held")
    made.script("document.activeElement.blur()")
    assert refresh(made) == "Refreshed every 10 s."


@pytest.mark.parametrize("path", ["/audit", "/enrolments", "/deploy", "/account"])
def test_a_page_whose_data_stays_says_no_later_time(
    endpoint: LocalEndpoint, site: tuple[Browser, str, Visitor], path: str
) -> None:
    made, address, _ = site
    deployable(endpoint, "web1")
    made.open(address + path)
    if path == "/deploy":
        made.press("Preview")
    as_of, asked = made.find("[data-live=as-of]").text, made.requests()

    made.script(_SOON)

    assert made.find("#live-status").text == ""
    assert made.find("[data-live=as-of]").text == as_of
    assert made.requests() == asked


def test_a_page_that_was_posted_has_no_part_that_is_fetched_again(endpoint: LocalEndpoint) -> None:
    deployable(endpoint, "web1")
    ann = log_in(endpoint)
    answers = [
        ann.submit("/deploy", {"selection": "", "do": do, "upgrade": "security", "at_once": number}, page="/deploy")
        for do, number in (("preview", "1"), ("edit", "1"), ("preview", "x"))
    ]
    answers.append(ann.submit("/account", {"action": "password", "new": "a", "again": "b"}))

    assert [answer.status for answer in answers] == [200, 200, 400, 422]
    for answer in answers:
        assert set(re.findall(r'data-live="([^"]+)"', answer.body.decode())) == {"as-of"}
