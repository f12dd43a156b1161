"""Pages in Debian's chromium: contrast, labels, width; nothing from elsewhere; forms without JavaScript."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.test_advisories import ENTRY, USN
from tests.endpoint.conftest import CHECKOUT
from tests.support.browser import Browser, browser
from tests.support.enrolment import Newcomer
from tests.support.local_endpoint import LocalEndpoint
from tests.support.reporting import CVE, reporting_host
from tests.support.reports import engine
from tests.support.served import hand_over, served
from tests.support.visitor import visitor as log_in

pytestmark = pytest.mark.xdist_group("browser")
KEPT = Path(os.environ.get("MAESTRO_TEST_SCREENSHOTS", CHECKOUT / "build/screenshots"))
EVENTS = ("outcome", "reboot-outcome", "rebooted", "job-failed", "reboot-required")
DOCKER = {
    **engine("docker"),
    "downtime": {"expected_s": [2, 9.5], "basis": ["3 restarts of this host"]},
    "containers": [
        {"id": "c1", "name": "db", "state": "running", "policy": "no", "will": "needs-start", "downtime_s": [3, 12]}
    ],
    "blocked": [{"why": "swarm", "detail": "The engine is part of a swarm.", "values": []}],
    "warnings": [{"code": "published-ports", "detail": "Published ports do not answer: 80.", "values": []}],
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalEndpoint, str]]:
    """Return an endpoint with something on each page, and the id of a host."""
    directory = tmp_path_factory.mktemp("pages")
    (directory / "kev.json").write_text(json.dumps({"vulnerabilities": [{**ENTRY, "cveID": CVE}]}))
    (directory / "osv").mkdir()
    (directory / "osv/USN.json").write_text(json.dumps({**USN, "upstream": [CVE]}))
    files: dict[str, object] = {"kev_file": f"{directory}/kev.json", "osv_directory": f"{directory}/osv"}
    made = LocalEndpoint(
        directory=directory, database=f"sqlite:///{directory}/endpoint.db", settings={"advisories": files}
    )
    made.configure()
    made.start()
    assert made.run("advisories", "load").returncode == 0
    first, second = (
        reporting_host(made, events=EVENTS, tag="web", agent_tags=["rack-7"], docker=DOCKER),
        reporting_host(made, name="web-2", tag="web"),
    )
    client = made.client(made.any_host_token)
    assert [client.fleet_lock("pre-reboot", box.host).status for box in (first, second)] == [200, 423]
    assert made.run("request", "check", "--host", first.host, "--comment", "CVE day").returncode == 0
    key = made.token("--enrol", "--approve")
    assert [Newcomer(name=f"new-{n}").ask(made.client(key)).status for n in range(3)] == [202] * 3
    rows = json.loads(made.run("enrolments", "list", "--json").stdout)["enrolments"]
    assert made.run("enrolments", "approve", rows[0]["id"]).returncode == 0
    assert made.run("enrolments", "refuse", rows[1]["id"]).returncode == 0
    yield made, first.host
    made.end()


@pytest.fixture(scope="module")
def opened(fleet: tuple[LocalEndpoint, str]) -> Iterator[tuple[Browser, str, str]]:
    """Return a browser in which an administrator is logged in, the site's address, and the id of a host."""
    endpoint, host = fleet
    with served(endpoint) as address, browser() as made:
        hand_over(log_in(endpoint, name="ann"), made, address)
        yield made, address, host
        assert made.origins() == {address}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("host", "/hosts/{host}"),
        ("fixes", "/fixes"),
        ("fix", f"/fixes/{CVE}"),
        ("locks", "/locks"),
        ("audit", "/audit"),
        ("enrolments", "/enrolments"),
    ],
)
def test_a_page_is_readable_labelled_and_fits(opened: tuple[Browser, str, str], name: str, path: str) -> None:
    made, address, host = opened
    made.open(address + path.format(host=host))
    for details in made.find_all("details:not([open]) > summary"):
        details.click()

    assert made.faults() == []
    assert made.complaints() == []
    made.screenshots(KEPT, name)


def test_forms_work_without_javascript(fleet: tuple[LocalEndpoint, str]) -> None:
    endpoint, host = fleet
    with served(endpoint) as address, browser(javascript=False) as made:
        hand_over(log_in(endpoint, name="bob"), made, address)
        made.open(f"{address}/hosts/{host}")
        made.fill(text="ask me first")
        made.press("Add the note")
        made.fill(tags="web prod")
        made.press("Set the tags")
        shown = made.text
        made.follow("Audit")

        assert "ask me first" in shown
        assert "prod" in shown
        assert "added: ask me first" in made.text
        assert "+prod" in made.text
