"""A small server with the pending security updates of the real archive, compared with unattended-upgrades."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases, peer
from tests.support.machine import Machine, machine
from tests.support.scenario import Scenario, names

pytestmark = [pytest.mark.archive, pytest.mark.xdist_group("real-archive")]


@pytest.fixture
def server(codename: str, agent_layer: Path) -> Iterator[Machine]:
    """Return a machine whose sources are the release and its security updates, as on any server."""
    with machine(agent_layer, bases.base(codename)) as running:
        shutil.copy("/etc/resolv.conf", running.path("/etc/resolv.conf"))
        line = f"deb {bases.security_mirror()} {codename}-security main\n"
        running.write("/etc/apt/sources.list.d/security.list", line)
        peer.configure(running, [f"origin=Debian,codename={codename}-security,label=Debian-Security"])
        yield running


def peer_plan(server: Machine) -> set[str]:
    return set(peer.dry_run(server, "Packages that will be upgraded:"))


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
    theirs = peer_plan(server)
    done = host.agent("upgrade --json", timeout=900)
    again = host.upgrade()

    assert len(plan["install"]) >= 10, "the base should have real pending updates"
    assert set(names(plan["install"])) == theirs
    assert (done.code, done.json["result"]) == (0, "updated"), done.out
    assert {one["package"] for one in done.json["upgraded"] + done.json["new"]} == theirs
    assert {one["archive"].endswith("-security") for one in done.json["upgraded"]} == {True}
    assert done.json["removed"] == []
    after = dpkg_list(server)
    assert set(before) - set(after) == set()
    changed = {name.split(":")[0] for name, version in after.items() if before.get(name) != version}
    assert changed == theirs
    assert server.check("dpkg --audit") == ""
    assert server.check("apt-mark showauto") == marks
    assert (again.code, again.json["result"]) == (0, "up-to-date")
    assert host.agent("status").code == 0
