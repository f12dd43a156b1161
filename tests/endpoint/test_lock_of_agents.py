"""Agents at the real server, over TLS: tokens of hosts, and a server that is killed between two calls."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.core.fleet_lock.server import LockServer
from agent.core.reboot.model import BootIdentity
from agent.host.fleet_lock import LocalFleetLock, LockOwner
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.store import Store
from tests.endpoint.conftest import MakeServer
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer

pytestmark = pytest.mark.xdist_group("endpoint-server")
REASON = "required by linux-image-6.1.0-28-amd64"


@dataclass(kw_only=True)
class Agents:
    """Agents of one fleet, each with a token that is bound to its host."""

    server: EndpointServer
    authority: Authority
    directory: Path

    def lock(self, host: str, *, lock_id: str = "") -> LocalFleetLock:
        token = self.directory / f"{host}.token"
        if not token.exists():
            token.write_text(self.server.token("--name", host, "--host", host))
        boot = BootIdentity(boot_id="b", soft_reboots=0)
        server = LockServer(
            url=f"https://localhost:{self.server.port}",
            group="default",
            id=lock_id or host,
            token_file=str(token),
            is_endpoint=True,
            ca_file=str(self.authority.file),
        )
        return LocalFleetLock(
            server, FleetLockRecord(Store(str(self.directory / host))), LockOwner(boot=lambda: boot, run_id="r")
        )


@pytest.fixture
def agents(make_server: MakeServer, authority: Authority, tmp_path: Path) -> Agents:
    server = make_server(locks={"groups": {"default": 1}})
    server.start()
    return Agents(server=server, authority=authority, directory=tmp_path)


def holders(agents: Agents) -> list[tuple[str, str]]:
    done = agents.server.run("locks", "--json")
    assert done.returncode == 0, done.stderr
    return [
        (one["client_id"], one["reason"]) for group in json.loads(done.stdout)["groups"] for one in group["holders"]
    ]


def test_an_agent_does_not_release_for_another_host(agents: Agents) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    agents.lock(first).acquire(REASON)

    answer = agents.lock(second, lock_id=first).acquire(REASON)
    assert (answer.granted, answer.why) == (False, "lock-unreachable")
    assert holders(agents) == [(first, REASON)]


def test_a_slot_survives_a_restart_of_the_server_and_is_given_back_after_it(agents: Agents) -> None:
    host = str(uuid.uuid4())
    agents.lock(host).acquire(REASON)
    agents.server.kill()
    unreachable = agents.lock(host).release()
    agents.server.start()

    assert (unreachable.granted, unreachable.why) == (False, "lock-unreachable")
    assert holders(agents) == [(host, REASON)]
    released = agents.lock(host).release_leftover(reboot_pending=False)
    assert released is not None
    assert released.granted
    assert holders(agents) == []
