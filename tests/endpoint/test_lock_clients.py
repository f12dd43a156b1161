"""Clients over TLS: maestro-agent's own, and one that behaves as zincati does."""

import base64
import http.client
import json
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.core.fleet_lock.model import LockPhase
from agent.core.fleet_lock.server import LockServer
from tests.endpoint.conftest import MakeServer
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.lock_hosts import GROUP, PATIENT, LockHost
from tests.support.messages import Outbox

LOCKS: dict[str, Any] = {"groups": {"default": 1, GROUP: 1}}


@pytest.fixture(scope="module")
def endpoint(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointServer]:
    """Return a server that accepts client certificates."""
    directory = tmp_path_factory.mktemp("locks")
    made = EndpointServer(
        directory=directory, authority=authority, database=f"sqlite:///{directory}/endpoint.db", port=free_port(),
        settings={"locks": LOCKS, "tls": {"client_ca": str(authority.file), "client_certificates": "optional"}},
    )  # fmt: skip
    made.configure()
    made.start()
    yield made
    made.end()


@dataclass(kw_only=True)
class Agent:
    """maestro-agent's client on one host, with a token for this host."""

    endpoint: EndpointServer
    directory: Path
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        self.directory.mkdir()
        (self.directory / "token").write_text(self.endpoint.token("--host", self.id))

    @property
    def host(self) -> LockHost:
        url = f"https://localhost:{self.endpoint.port}"
        return LockHost(name=self.id, directory=self.directory / "state", url=url, timeouts=PATIENT)

    @property
    def server(self) -> LockServer:
        return replace(
            self.host.server,
            ca_file=str(self.endpoint.authority.file),
            token_file=str(self.directory / "token"),
            is_endpoint=True,
        )


def holders(endpoint: EndpointServer, group: str) -> list[dict[str, Any]]:
    document = json.loads(endpoint.run("locks", "--json").stdout)
    (found,) = (one for one in document["groups"] if one["name"] == group)
    held: list[dict[str, Any]] = found["holders"]
    return held


def test_the_agent_takes_waits_and_gives_back_and_says_why(endpoint: EndpointServer, tmp_path: Path) -> None:
    first, second = (Agent(endpoint=endpoint, directory=tmp_path / name) for name in ("first", "second"))

    granted = first.host.lock(server=first.server).acquire("kernel 6.1.0-40")
    refused = second.host.lock(server=second.server).acquire("dbus")
    (holder,) = holders(endpoint, GROUP)
    released = first.host.lock(server=first.server).release()
    served = second.host.lock(server=second.server).acquire("dbus")
    held = second.host.lock(server=second.server).held()
    second.host.lock(server=second.server).release()

    assert (granted.granted, released.granted, served.granted) == (True, True, True)
    assert (refused.granted, refused.why) == (False, "fleet-lock")
    assert refused.retry_after is not None
    assert first.id in refused.detail
    assert (holder["client_id"], holder["host_id"], holder["reason"]) == (first.id, first.id, "kernel 6.1.0-40")
    assert held is not None
    assert held.phase is LockPhase.HELD
    assert holders(endpoint, GROUP) == []


def test_a_host_that_comes_back_ill_stops_the_rollout_until_a_person_releases_it(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(locks=LOCKS)
    server.start()
    agents = [Agent(endpoint=server, directory=tmp_path / f"host-{number}") for number in range(5)]
    done: list[int] = []

    def try_all() -> None:
        for number, agent in enumerate(agents):
            if number in done or not agent.host.lock(server=agent.server).acquire("kernel").granted:
                continue
            done.append(number)
            if number == 2:
                agent.host.lock(server=agent.server).keep("cron.service failed")
            else:
                assert agent.host.lock(server=agent.server).release().granted

    for _ in range(3):
        try_all()
    stopped = list(done)
    released = server.run("locks", "release", agents[2].id, "--why", "cron is repaired")
    for _ in range(3):
        try_all()

    assert stopped == [0, 1, 2]
    assert released.returncode == 0, released.stderr
    assert done == [0, 1, 2, 3, 4]
    assert holders(server, GROUP) == []


def test_a_certificate_of_another_host_cannot_use_the_id(
    endpoint: EndpointServer, authority: Authority, tmp_path: Path
) -> None:
    owner = Agent(endpoint=endpoint, directory=tmp_path / "owner")
    other = authority.sign("other", names=f"URI:urn:uuid:{uuid.uuid4()}")
    owner.host.lock(server=owner.server).acquire("kernel")

    answer = endpoint.client(certificate=other).fleet_lock("steady-state", owner.id, GROUP)

    assert (answer.status, answer.json["kind"]) == (403, "foreign_id")
    assert owner.host.lock(server=owner.server).release().granted


@dataclass(kw_only=True)
class Zincati:
    """What zincati sends: no content type and no token, or one as password of its base URL; and in what order."""

    endpoint: EndpointServer
    id: str
    password: str = ""
    reboots: int = 0
    is_steady: bool = False

    def tick(self) -> None:
        """Report steady state until that succeeds; then ask for a slot, and reboot once it is granted."""
        if not self.is_steady:
            self.is_steady = self._post("v1/steady-state") == 200
        elif self._post("v1/pre-reboot") == 200:
            self.reboots += 1
            self.is_steady = False

    def _post(self, path: str) -> int:
        context = ssl.create_default_context(cafile=str(self.endpoint.authority.file))
        connection = http.client.HTTPSConnection("localhost", self.endpoint.port, context=context, timeout=60)
        body = json.dumps({"client_params": {"id": self.id, "group": "default"}}).encode()
        connection.putrequest("POST", f"/{path}", skip_accept_encoding=True)
        connection.putheader("fleet-lock-protocol", "true")
        connection.putheader("accept", "*/*")
        connection.putheader("user-agent", "zincati/0.0.30")
        if self.password:
            connection.putheader("authorization", f"Basic {base64.b64encode(f'any:{self.password}'.encode()).decode()}")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.mark.parametrize("with_password", [True, False], ids=["password", "without_token"])
def test_three_zincati_hosts_reboot_one_at_a_time(make_server: MakeServer, *, with_password: bool) -> None:
    server = make_server(locks={"without_token": not with_password})
    server.start()
    password = server.token() if with_password else ""
    hosts = [Zincati(endpoint=server, id=uuid.uuid4().hex, password=password) for _ in range(3)]
    rebooting = []

    for _ in range(12):
        for host in hosts:
            host.tick()
            rebooting.append(sum(one.reboots > 0 and not one.is_steady for one in hosts))

    assert max(rebooting) == 1
    assert min(host.reboots for host in hosts) >= 2


def test_zincati_gets_no_slot_without_a_token_by_default(endpoint: EndpointServer) -> None:
    host = Zincati(endpoint=endpoint, id=uuid.uuid4().hex)

    host.tick()

    assert not host.is_steady


def test_the_reason_of_a_host_is_that_of_its_report_if_it_gave_none(endpoint: EndpointServer) -> None:
    box = Outbox()
    bound = endpoint.client(endpoint.token("--host", box.host))
    assert bound.post(box.batch(box.state())).status == 200
    required = box.state()["body"]["reboot"]

    bound.fleet_lock("pre-reboot", box.host, GROUP)
    (holder,) = holders(endpoint, GROUP)
    bound.fleet_lock("steady-state", box.host, GROUP)

    assert (holder["name"], holder["reason"]) == (
        "web1",
        f"reboot required: {', '.join(required['packages'])}" if required["required"] else None,
    )
