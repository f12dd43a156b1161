"""A small server with the pending security updates of the real archive, compared with unattended-upgrades."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.machine import Machine, machine
from tests.support.scenario import Scenario, names

pytestmark = [pytest.mark.archive, pytest.mark.xdist_group("real-archive")]

PEER = """#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {{ "origin=Debian,codename={codename}-security,label=Debian-Security"; }};
"""
PEER_PLAN = "Packages that will be upgraded:"


@pytest.fixture
def server(codename: str, agent_layer: Path) -> Iterator[Machine]:
    """Return a machine whose sources are the release and its security updates, as on any server."""
    with machine(agent_layer, bases.base(codename)) as running:
        shutil.copy("/etc/resolv.conf", running.path("/etc/resolv.conf"))
        line = f"deb {bases.security_mirror()} {codename}-security main\n"
        running.write("/etc/apt/sources.list.d/security.list", line)
        running.write("/etc/apt/apt.conf.d/99peer", PEER.format(codename=codename))
        yield running


def peer_plan(server: Machine) -> set[str]:
    """Return what the peer would upgrade. It ends there: its steps after that, each a process, were seen to hang."""
    with server.start("exec unattended-upgrade --dry-run --verbose 2>&1") as peer:
        assert peer.stdout is not None
        line = next((line for line in peer.stdout if PEER_PLAN in line), "")
        for pid in server.processes("unattended-upgrade"):
            server.run(f"kill -KILL {pid}")
    return set(line.partition(PEER_PLAN)[2].split())


def dpkg_list(server: Machine) -> dict[str, str]:
    lines = server.check("dpkg-query -W -f '${Package}:${Architecture} ${Version}\\n'").splitlines()
    return dict(line.split() for line in lines)


@pytest.mark.timeout(2700)  # a real mirror
def test_a_server_gets_exactly_the_updates_of_the_peer(server: Machine, codename: str) -> None:
    host = Scenario.on(server, codename)
    marks = server.check("apt-mark showauto")
    before = dpkg_list(server)

    plan = host.check()
    if codename == "forky" and not plan["install"] and not peer_plan(server):
        pytest.skip("Debian testing has no security update pending today")
    peer = peer_plan(server)
    done = host.agent("upgrade --json", timeout=900)
    again = host.upgrade()

    assert len(plan["install"]) >= 10, "the base should have real pending updates"
    assert set(names(plan["install"])) == peer
    assert (done.code, done.json["result"]) == (0, "updated"), done.out
    assert {one["package"] for one in done.json["upgraded"] + done.json["new"]} == peer
    assert {one["archive"].endswith("-security") for one in done.json["upgraded"]} == {True}
    assert done.json["removed"] == []
    after = dpkg_list(server)
    assert set(before) - set(after) == set()
    changed = {name.split(":")[0] for name, version in after.items() if before.get(name) != version}
    assert changed == peer
    assert server.check("dpkg --audit") == ""
    assert server.check("apt-mark showauto") == marks
    assert (again.code, again.json["result"]) == (0, "up-to-date")
    assert host.agent("status").code == 0
