"""Booted machines reboot one by one through a single slot of a real endpoint; one of them comes back ill."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support.authority import Authority
from tests.support.booted import booted
from tests.support.endpoint_server import Client, EndpointServer, free_port
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.relay import relay
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("booted-3")
HOSTS, ILL = (5, 2) if bases.thorough() else (3, 1)
"""How many machines, and which of them comes back with a failed unit."""
_CONFIG = """
[reboot]
fleetlock_url = "https://127.0.0.1:8443"
fleetlock_ca_file = "/etc/maestro-agent/ca.pem"
fleetlock_token_file = "/etc/maestro-agent/lock-token"
"""
_SOCKET = "[Socket]\nListenStream=127.0.0.1:8443\n[Install]\nWantedBy=sockets.target\n"
_SERVICE = "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd /srv/lock/relay.sock\n"
_ILL = "[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"


@dataclass(kw_only=True)
class Fleet:
    """The machines and the endpoint whose slot they share."""

    server: EndpointServer
    hosts: list[Kept]

    def others(self) -> Client:
        """Return a client of another kind, with a token for any host."""
        return self.server.client(self.server.token("--name", "others"))

    def holders(self) -> list[str]:
        done = self.server.run("locks", "--json")
        assert done.returncode == 0, done.stderr
        return [one["client_id"] for group in json.loads(done.stdout)["groups"] for one in group["holders"]]


@pytest.fixture
def fleet(installed: tuple[Path, ...], booted_codename: str, signer: Signer, tmp_path: Path) -> Iterator[Fleet]:
    authority = Authority.make(tmp_path / "ca")
    server = EndpointServer(
        directory=tmp_path, authority=authority, database=f"sqlite:///{tmp_path}/endpoint.db", port=free_port()
    )
    shared = tmp_path / "lock"
    shared.mkdir()
    with ExitStack() as stack:
        server.configure()
        stack.callback(server.end)
        server.start()
        stack.enter_context(relay(shared / "relay.sock", server.port))
        machines = [
            stack.enter_context(booted(*installed, options=(f"--bind={shared}:/srv/lock",))) for _ in range(HOSTS)
        ]
        hosts = [Kept(machine, signer, booted_codename) for machine in machines]
        for number, host in enumerate(hosts):
            prepare(host, server, ill=number == ILL)
        yield Fleet(server=server, hosts=hosts)


def prepare(host: Kept, server: EndpointServer, *, ill: bool) -> None:
    """Configure the lock, have a package require a reboot, and have a unit fail at the next boot."""
    host.wait_for_daemon()
    machine = host.machine
    machine.write("/etc/maestro-agent/ca.pem", server.authority.file.read_text())
    machine.write("/etc/maestro-agent/lock-token", server.token("--name", f"host-{id(host)}"))
    machine.write("/etc/maestro-agent/config.d/60-lock.toml", _CONFIG)
    machine.write("/etc/systemd/system/lock-relay.socket", _SOCKET)
    machine.write("/etc/systemd/system/lock-relay.service", _SERVICE)
    if ill:
        machine.write("/etc/systemd/system/ill.service", _ILL)
    machine.check("systemctl daemon-reload; systemctl enable --now lock-relay.socket")
    machine.check(f"systemctl restart {UNIT}")
    host.wait_for_daemon()
    machine.check("dpkg-reconfigure -f noninteractive dbus")
    if ill:
        machine.check("systemctl enable ill.service")


def reboot(host: Kept) -> Any:
    """Reboot through the gates; return the outcome, after the boot if there was one."""
    before = host.machine.leader
    asked = host.agent("reboot --if-required --json")
    if asked.json["result"] != "requested":
        return asked.json
    host.machine.follow_reboot(before)
    host.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    return json.loads(host.machine.path(f"{RECORD}/reboot-outcome.json").read_text())


def result(host: Kept) -> str:
    outcome = reboot(host)
    print(json.dumps(outcome))
    return str(outcome["result"])


def test_hosts_reboot_one_by_one_and_an_ill_one_stops_the_rollout(fleet: Fleet) -> None:
    well, ill, waiting = fleet.hosts[:ILL], fleet.hosts[ILL], fleet.hosts[ILL + 1 :]

    for host in well:
        assert result(host) == "rebooted"
        assert fleet.holders() == []

    came_back = reboot(ill)
    assert (came_back["result"], came_back["lock"]) == ("rebooted-with-problems", "kept"), came_back
    held = fleet.holders()
    shown = ill.agent("lock --json")
    assert [shown.json["id"]] == held
    assert "ill.service" in shown.json["kept"]
    assert shown.code == 10
    ill.agent("check --json")
    assert fleet.holders() == held, "no job gives a kept lock back"
    other = fleet.others()
    assert other.fleet_lock("pre-reboot", "another-client").status == 423
    other.close()  # the endpoint ends a connection that is idle for long
    assert ill.machine.log_entries("MAESTRO_EVENT=lock.kept")
    for host in waiting:
        blocked = reboot(host)
        assert (blocked["result"], blocked["blocked"]["why"]) == ("blocked", "fleet-lock")

    released = ill.agent("lock release --json")
    assert (released.code, released.json["result"]) == (0, "released")
    assert fleet.holders() == []
    assert ill.status()["fleet_lock"] is None
    # The first client refused has the first turn; a host may only pass it while it is not expected soon.
    assert other.fleet_lock("pre-reboot", "another-client").status == 200
    assert fleet.holders() == ["another-client"]
    assert other.fleet_lock("steady-state", "another-client").status == 200
    for host in waiting:
        assert result(host) == "rebooted"
        assert fleet.holders() == []
