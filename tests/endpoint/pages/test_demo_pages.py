"""Every page of the invented fleet opens, and holds no text that a template forgot."""

import re

import pytest

from endpoint.core.host_query import Cursor
from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor, visitor

BEHIND_ALL = Cursor(value="zzz", row=2**31 - 1).encode()


def first(browser: Visitor, page: str, pattern: str) -> str:
    """Return the first link on a page."""
    found = re.search(f'href="({pattern})"', browser.get(page).body.decode())
    assert found, page
    return found[1]


@pytest.mark.parametrize("state", ["patched", "pending", "held", "reboot-required", "restart-pending", "silent",
                                   "stale-lists", "ended", "unfinished", "unknown"])  # fmt: skip
def test_the_page_of_a_host_in_each_state_opens(demo: LocalEndpoint, state: str) -> None:
    browser = visitor(demo)
    answer = browser.get(first(browser, f"/hosts?state={state}", "/hosts/[0-9a-f-]{36}"))

    assert answer.status == 200
    assert "&lt;" not in answer.body.decode()


@pytest.mark.parametrize(
    "path", ["/", "/hosts", "/fixes", "/deployments", "/deploy?state=pending", "/locks", "/audit", "/account"]
)
def test_each_page_opens(demo: LocalEndpoint, path: str) -> None:
    answer = visitor(demo).get(path)

    assert answer.status == 200
    assert answer.body.decode().count("<h1") == 1


@pytest.mark.parametrize(
    ("page", "pattern"), [("/fixes", "/fixes/CVE-[0-9-]+"), ("/deployments", "/deployments/[0-9a-f-]{36}")]
)
def test_the_first_of_each_list_opens(demo: LocalEndpoint, page: str, pattern: str) -> None:
    browser = visitor(demo)

    assert browser.get(first(browser, page, pattern)).status == 200


def test_fixes_that_wait_for_a_reboot_are_listed_as_installed(demo: LocalEndpoint) -> None:
    rows = re.findall(r'<tr><th scope="row".*?</tr>', visitor(demo).get("/fixes").body.decode(), re.DOTALL)
    installed = [int(re.findall(r'class="number">(?:<strong>)?([0-9]+)', row)[3]) for row in rows]

    assert sum(installed) > 0


@pytest.mark.parametrize(
    ("address", "first_page"),
    [
        (f"/hosts?after={BEHIND_ALL}", "/hosts"),
        (f"/hosts?state=patched&after={BEHIND_ALL}", "/hosts?state=patched"),
        ("/fixes?offset=9000", "/fixes"),
        ("/fixes?active=1&offset=9000", "/fixes?active=1"),
        ("/deployments?from=9000", "/deployments"),
        ("/audit?after=0x0.0p%2B0~0~0", "/audit"),
        ("/audit?person=demo&after=0x0.0p%2B0~0~0", "/audit?person=demo"),
    ],
)
def test_a_page_that_has_become_empty_leads_to_the_first_one(
    demo: LocalEndpoint, address: str, first_page: str
) -> None:
    assert empty_part(visitor(demo), address) == [first_page]


def test_a_fix_is_not_active_everywhere_because_a_page_of_its_hosts_is_empty(demo: LocalEndpoint) -> None:
    browser = visitor(demo)
    fix = first(browser, "/fixes", "/fixes/CVE-[0-9-]+")

    assert empty_part(browser, f"{fix}?after={BEHIND_ALL}") == [fix]
    assert f"/deploy?cve={fix.rpartition('/')[2]}" in browser.get(f"{fix}?after={BEHIND_ALL}").body.decode()


def empty_part(browser: Visitor, address: str) -> list[str]:
    """Return where the part that stands for no rows leads; nothing else there is a link, or green."""
    (part,) = re.findall(r'<div class="panel empty">.*?</div>', browser.get(address).body.decode(), re.DOTALL)
    assert "badge" not in part
    return re.findall(r'<a href="([^"]*)">', part)
