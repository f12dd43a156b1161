"""Every page of the invented fleet opens, and holds no text that a template forgot."""

import re

import pytest

from tests.support.local_endpoint import LocalEndpoint
from tests.support.visitor import Visitor, visitor


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
