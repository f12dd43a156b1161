"""Deploying in Debian's chromium: readable, labelled, narrow; to the end, and without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint.conftest import CHECKOUT
from tests.support.browser import Browser, browser
from tests.support.deployable import DOCKER, deployable, older
from tests.support.local_endpoint import LocalEndpoint
from tests.support.request_hosts import RequestHost
from tests.support.served import hand_over, served
from tests.support.visitor import visitor as log_in

pytestmark = pytest.mark.xdist_group("browser")
KEPT = CHECKOUT / "build/screenshots"
Site = tuple[LocalEndpoint, list[RequestHost]]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return an endpoint with hosts of every kind."""
    made = LocalEndpoint(directory=tmp_path, database=f"sqlite:///{tmp_path}/endpoint.db")
    made.configure()
    made.start()
    hosts = [deployable(made, f"web{number}", "web", docker=DOCKER) for number in range(3)]
    hosts.append(deployable(made, "signed1", "web", requests={"signed": True}))
    deployable(made, "deaf1", requests={"allow": ["check"]})
    deployable(made, "kept1", updates={"security_pending": 0, "held": 1}, reboot={"required": False})
    older(made, "old1")
    yield made, hosts
    made.end()


def look_at(made: Browser, name: str) -> None:
    made.screenshots(KEPT, f"deploy-{name}")
    assert made.faults() == []


def test_every_page_of_a_deployment_is_readable_labelled_and_fits(site: Site) -> None:
    endpoint, hosts = site
    with served(endpoint) as address, browser() as made:
        hand_over(log_in(endpoint, name="ann"), made, address)
        made.open(f"{address}/deployments")
        look_at(made, "none")
        made.open(f"{address}/deploy?q=nothing")
        look_at(made, "nobody")
        made.open(f"{address}/deploy")
        look_at(made, "form")
        made.fill(at_once="x")
        made.press("Preview")
        look_at(made, "refused")
        made.choose("docker", "yes")
        made.choose("reboot", "if-required")
        made.fill(at_once="50%", comment="INC-1207")
        made.press("Preview")
        look_at(made, "preview")
        made.press("Deploy to 4 hosts")
        (first,), (second,) = (host.offered() for host in hosts[:2])
        hosts[0].step(first["id"], "running")
        hosts[1].step(second["id"], "failed", detail="no space left on /var")
        made.wait_for("Stopped: too many have failed")
        look_at(made, "stopped")
        made.find("details > summary").click()
        look_at(made, "left-out")
        made.press("Resume")
        made.press("Cancel all")
        look_at(made, "cancelling")
        made.open(f"{address}/deployments")
        look_at(made, "list")

        assert [one for one in made.complaints() if "400 (BAD REQUEST)" not in one] == []
        assert made.origins() == {address}


def test_without_javascript_forms_do_the_same(site: Site) -> None:
    endpoint, hosts = site
    with served(endpoint) as address, browser(javascript=False) as made:
        hand_over(log_in(endpoint, name="bob"), made, address)
        made.open(f"{address}/deploy?q=web0")
        made.press("Preview")
        made.press("Change")
        made.fill(comment="INC-1")
        made.press("Preview")
        made.press("Deploy to 1 host")
        begun = made.text
        (request,) = hosts[0].offered()
        hosts[0].step(request["id"], "done")
        made.open(made.url)

        assert "Queued" in begun
        assert "1 of 1 request ended" in made.text
        assert request["comment"] == "INC-1"
