"""Five booted machines reboot through one slot of the endpoint; one that comes back ill stops the others."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.machines.conftest import Layers
from tests.support.authority import Authority
from tests.support.booted import booted
from tests.support.endpoint_server import EndpointServer
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("booted-1")
PORT = 8443
SETTINGS = f"""\
[endpoint]
url = "https://127.0.0.1:{PORT}"
token_file = "/etc/maestro-agent/token"
ca_file = "/etc/maestro-agent/ca.pem"
[reboot]
fleetlock_url = "endpoint"
"""
CONNECTS = f"""python3 -c 'import socket; socket.create_connection(("127.0.0.1", {PORT}), 1)'"""
ILL = "#!/bin/sh\necho the database is not in step >&2\nexit 1\n"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One machine of the fleet, and the process of the endpoint on its loopback; all of them share one database."""

    host: Kept
    server: EndpointServer

    def join(self) -> None:
        token = self.server.token("--name", Path(self.server.directory).name)
        self.host.machine.write("/srv/token", f"{token}\n", 0o600)
        self.host.machine.check("install -m 640 -g maestro-agent /srv/token /etc/maestro-agent/token")
        self.host.machine.write("/etc/maestro-agent/ca.pem", self.server.authority.file.read_text())
        self.host.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", SETTINGS)
        self.serve()
        self.host.wait("the endpoint", CONNECTS)
        self.host.machine.check(f"systemctl reload {UNIT} && touch /run/reboot-required")

    def serve(self) -> None:
        """Have the endpoint listen in the machine's network, which is a new one after each boot."""
        if self.server.process is not None:
            self.server.kill()
        self.server.network = self.host.machine.leader
        self.server.start()

    def ask(self) -> Any:
        """Ask for a reboot; return the outcome so far."""
        return self.host.agent("reboot --if-required --json").json

    def come_back(self, before: int) -> Any:
        """Wait for the boot and its verification; return the outcome."""
        self.host.machine.follow_reboot(before, 120, at_once=self.serve)
        self.host.wait("verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json', 120)
        self.host.wait_for_idle(120)
        self.host.wait("the lock", f'! grep -q \'"lock": "releasing"\' {RECORD}/reboot-outcome.json', 200)
        return json.loads(self.host.machine.path(f"{RECORD}/reboot-outcome.json").read_text())


@pytest.fixture
def fleet(booted_codename: str, installed: Layers, signer: Signer, tmp_path: Path) -> Iterator[list[Member]]:
    """Return five machines that all require a reboot."""
    authority = Authority.make(tmp_path / "ca")
    database = f"sqlite:///{tmp_path}/endpoint.db"
    with ExitStack() as stack:
        members = []
        for number in range(5):
            directory = tmp_path / f"host{number}"
            directory.mkdir()
            host = Kept(stack.enter_context(booted(*installed)), signer, booted_codename)
            server = EndpointServer(
                directory=directory,
                authority=authority,
                database=database,
                port=PORT,
                settings={"locks": {"groups": {"default": 1}}},
            )
            server.configure()
            stack.callback(server.end)
            host.wait_for_daemon()
            members.append(Member(host=host, server=server))
            members[-1].join()
        yield members


def holders(members: list[Member]) -> list[Any]:
    (group,) = json.loads(members[0].server.run("locks", "list", "--json").stdout)["groups"]
    return list(group["holders"])


def roll(members: list[Member]) -> tuple[Member, Any]:
    """Have every machine ask for a reboot: one goes, the others are refused; return that one and its outcome."""
    leaders = {id(member): member.host.machine.leader for member in members}
    answers = [(member, member.ask()) for member in members]
    going = [member for member, answer in answers if answer["result"] == "requested"]
    refused = [answer["blocked"]["why"] for _, answer in answers if answer["result"] == "blocked"]

    assert len(going) == 1, answers
    assert refused == ["fleet-lock"] * (len(members) - 1)
    assert len(holders(members)) == 1
    return going[0], going[0].come_back(leaders[id(going[0])])


def test_a_fleet_reboots_one_by_one_and_an_ill_machine_stops_it_until_a_person_releases_its_slot(
    fleet: list[Member],
) -> None:
    left = list(fleet)
    for _ in range(2):
        done, outcome = roll(left)
        left.remove(done)
        assert (outcome["result"], outcome["lock"], holders(fleet)) == ("rebooted", "released", [])

    for member in left:
        member.host.machine.write("/etc/maestro-agent/hooks/post-reboot.d/10-database", ILL, 0o755)
    ill, outcome = roll(left)
    left.remove(ill)
    assert (outcome["result"], outcome["lock"]) == ("rebooted-with-problems", "kept")
    assert [problem["code"] for problem in outcome["problems"]] == ["hook-failed"]
    assert [member.ask()["blocked"]["why"] for member in left] == ["fleet-lock"] * 2
    assert ill.host.agent("check --wait").code in {0, 3, 10}  # no job releases it
    assert len(holders(fleet)) == 1

    released = ill.host.agent("lock release")
    for member in left:
        member.host.machine.check("rm /etc/maestro-agent/hooks/post-reboot.d/10-database")
    assert (released.code, holders(fleet)) == (0, [])
    while left:
        done, outcome = roll(left)
        left.remove(done)
        assert (outcome["result"], outcome["lock"], holders(fleet)) == ("rebooted", "released", [])
