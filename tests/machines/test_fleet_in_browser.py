"""A person patches three machines from a browser: real agents, real TLS, Debian's chromium. In the thorough run only.

With JavaScript, and without it by plain forms. Pictures of all pages are kept in build/screenshots.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.authority import Authority
from tests.support.browser import Browser, browser
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.machine_fleet import MachineFleet, machine_fleet
from tests.support.repository import Signer, package

pytestmark = [
    pytest.mark.xdist_group("booted-browser"),
    pytest.mark.skipif(not bases.thorough(), reason="minutes on three booted machines"),
]
PICTURES = Path(__file__).resolve().parent.parent.parent / "build/screenshots"
PASSWORD = "correct horse battery staple"  # noqa: S105 - of a test
LINK = re.compile(r"/login/[A-Za-z0-9_-]+")


@pytest.fixture(scope="module")
def fleet(
    booted_codename: str, installed: tuple[Path, ...], signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MachineFleet]:
    """Return three machines with an update each; web1 holds one back, web1 and web2 ask for a reboot."""
    directory = tmp_path_factory.mktemp("fleet")
    endpoint = EndpointServer(
        directory=directory,
        authority=Authority.make(directory / "ca"),
        database=f"sqlite:///{directory}/endpoint.db",
        port=free_port(),
    )
    endpoint.configure()
    endpoint.start()
    try:
        with machine_fleet(endpoint, booted_codename, installed, signer, directory) as made:
            for number, one in enumerate(made.machines):
                one.kept.have(package("patched", "2"), package("kept", "2"))
                one.kept.machine.check("apt-mark hold kept")
                if number < 2:
                    one.kept.machine.check("touch /run/reboot-required; echo dbus > /run/reboot-required.pkgs")
                one.kept.check("--wait")
            made.until("all have reported", lambda: all_have(endpoint, 1))
            yield made
    finally:
        endpoint.end()


def all_have(endpoint: EndpointServer, pending: int) -> bool:
    """Return whether three hosts take requests and have reported so many pending updates each."""
    found = json.loads(endpoint.run("fleet", "--json").stdout)["hosts"]
    return [(row["pending"], row["takes_requests"]) for row in found] == [(pending, True)] * 3


def log_in(made: Browser, fleet: MachineFleet, name: str) -> None:
    """Log in by the one-time link of a new operator, who may reboot hosts."""
    printed = fleet.endpoint.run("user", "add", name, "--role", "operator", "--may-reboot")
    link = LINK.search(printed.stdout)
    assert link, printed.stderr
    made.open(f"https://127.0.0.1:{fleet.endpoint.port}{link[0]}")
    made.fill(password=PASSWORD, again=PASSWORD)
    made.press("Set the password and log in")


def deploy(made: Browser, *, reboot: bool) -> None:
    """Deploy to all hosts, two at once; the page of the deployment is open afterwards."""
    made.follow("Hosts")
    made.follow("Deploy to all 3")
    made.choose("upgrade", "security")
    made.choose("reboot", "if-required" if reboot else "no")
    made.fill(at_once="2", comment="INC-1207")
    look_at(made, "deploy")
    made.press("Preview")
    look_at(made, "preview")
    made.press("Deploy to 3 hosts")


def look_at(made: Browser, name: str) -> None:
    """Keep pictures of a page, and check that nothing is wrong with it."""
    made.screenshots(PICTURES, name)
    assert made.faults() == [], made.url


def at_work(fleet: MachineFleet) -> int:
    """Return how many hosts have a request that has not ended."""
    with sqlite3.connect(f"file:{fleet.endpoint.directory}/endpoint.db?mode=ro", uri=True) as database:
        states = "('delivered', 'received', 'accepted', 'running')"
        return int(database.execute(f"SELECT count(*) FROM requests WHERE status IN {states}").fetchone()[0])  # noqa: S608


def watch(made: Browser, fleet: MachineFleet, *, reload: bool) -> None:
    """Wait until the open page shows that the deployment is done."""

    def done() -> bool:
        fleet.at_work.append(at_work(fleet))
        if reload:
            made.open(made.url)
        return "3 of 3 requests ended" in made.text

    fleet.until("the deployment ends", done)


def test_an_operator_patches_three_machines_two_at_once(fleet: MachineFleet) -> None:
    base = f"https://127.0.0.1:{fleet.endpoint.port}"
    with browser() as made:
        log_in(made, fleet, "ann")
        look_at(made, "overview")
        made.go("a.card[href*='state=reboot-required']")
        look_at(made, "hosts")
        listed = made.text
        made.follow("web1")
        look_at(made, "host")
        host = made.text
        deploy(made, reboot=True)
        look_at(made, "deployment-begun")
        watch(made, fleet, reload=False)
        look_at(made, "deployment")
        deployment = made.text
        made.follow("Audit")
        look_at(made, "audit")
        audit = made.text
        made.follow("Deployments")
        look_at(made, "deployments")

        assert ("web1" in listed, "web2" in listed, "web3" in listed) == (True, True, False)
        assert "kept" in host
        assert "hold" in host.lower()
        assert deployment.count("Done") >= 3
        assert "ann" in audit
        assert "INC-1207" in made.text
        assert max(fleet.at_work) == 2
        assert [one.reboots for one in fleet.machines] == [1, 1, 0]
        assert [one.kept.versions("patched", "kept") for one in fleet.machines] == [{"patched": "2", "kept": "1"}] * 3
        assert made.origins() == {base}
        assert made.complaints() == []


def test_the_same_without_javascript(fleet: MachineFleet) -> None:
    base = f"https://127.0.0.1:{fleet.endpoint.port}"
    for one in fleet.machines:
        one.kept.follow_security()
        one.kept.have(package("later", "2"))
        one.kept.check("--wait")
    fleet.until("all have reported", lambda: all_have(fleet.endpoint, 1))
    with browser(javascript=False) as made:
        log_in(made, fleet, "bob")
        made.go("a.card[href*='state=pending']")
        listed = made.text
        made.follow("web2")
        deploy(made, reboot=False)
        watch(made, fleet, reload=True)
        made.follow("Audit")

        assert all(name in listed for name in ("web1", "web2", "web3"))
        assert "bob" in made.text
        assert [one.kept.versions("later") for one in fleet.machines] == [{"later": "2"}] * 3
        assert made.origins() == {base}
        assert made.complaints() == []
