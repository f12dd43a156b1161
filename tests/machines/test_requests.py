"""Requests on a booted machine: the user maestro-agent forges them at the worker's socket, people sign them.

The daemon carries out what is due by itself, also after a kill and after a reboot. In the thorough run only.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.state.timestamps import format_utc, utc_now
from tests.core.requests.given_request import DAY, document, request_id
from tests.machines.test_reboot_gates import LOGINS
from tests.support import bases, carrier
from tests.support.booted import booted
from tests.support.recorded import RECORD, UNIT, Kept, installed_layer
from tests.support.repository import Signer, package

pytestmark = [
    pytest.mark.xdist_group("booted-reboots"),
    pytest.mark.skipif(not bases.thorough(), reason="a minute on a booted machine; the worker's own test has the rest"),
]
FILES = ("requests.json", "requests.lock", "signed-requests.json", "accepted-config.json")
SETTINGS = """
[requests]
allow = ["upgrade-security", "upgrade-fixes", "reboot-if-required", "check"]
signers = "/etc/maestro-agent/signers"
[endpoint]
url = "https://127.0.0.1:9"
"""
DELAYS_SHUTDOWN = "systemd-inhibit --what=shutdown --mode=delay sleep 600"
"""As unattended-upgrades-shutdown does: the daemon works on for some seconds after a reboot has begun."""
SEND = """
import json, socket, sys
connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect("/run/maestro-agent-worker.sock")
connection.sendall(sys.stdin.buffer.read())
print(connection.makefile().read().splitlines()[-1])
"""


@pytest.fixture
def host(booted_codename: str, deb: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Return a machine that carries out what ann has signed."""
    below, directory = (bases.base(booted_codename, LOGINS),), tmp_path_factory.mktemp("requests")
    with installed_layer(booted_codename, deb, signer, directory, on=below) as layers, booted(*layers) as up:
        yield Kept(up, signer, booted_codename)


class Person:
    """Ann, who signs requests for the machine; and the process of the daemon's user, which carries them."""

    def __init__(self, host: Kept, directory: Path) -> None:
        self._host = host
        self._ann = carrier.Signer.make(directory, "ann")
        self._id = host.agent("report --show --json").json["host"]["id"]
        host.machine.write("/etc/maestro-agent/signers", self._ann.line)
        host.machine.write("/etc/maestro-agent/config.d/60-requests.toml", SETTINGS)
        host.machine.check(f"systemctl reload-or-restart {UNIT}")
        host.wait_for_daemon()

    def request(self, number: int, *, signed: bool = True, **changed: Any) -> dict[str, Any]:
        now = utc_now().replace(microsecond=0)
        made = document(number, created_at=now, host_id=self._id, expires_at=format_utc(now + DAY), **changed)
        return self.sign(made) if signed else made

    def sign(self, made: dict[str, Any]) -> dict[str, Any]:
        return self._ann.sign(made)

    def send(self, **fields: object) -> Any:
        """Send a line over the socket as the user maestro-agent; return the answer."""
        line: dict[str, object] = {
            "schema": "maestro.job-request/1",
            "job": "request",
            "scope": "security",
            "refresh": True,
            "plan_id": None,
            "wait": False,
            "omit_document": True,
            "requested_by": "schedule",
            **fields,
        }
        self._host.machine.write("/tmp/line", f"{json.dumps(line)}\n")  # noqa: S108 - of the machine
        self._host.machine.write("/tmp/send.py", SEND)  # noqa: S108
        done = self._host.machine.run("python3 /tmp/send.py < /tmp/line", user="maestro-agent")
        return json.loads(done.stdout)

    def entry(self, number: int) -> Any:
        whole = json.loads(self._host.machine.path(f"{RECORD}/requests.json").read_text())
        return next(one for one in whole["requests"] if one["id"] == request_id(number))

    def wait_for(self, number: int, state: str) -> None:
        """Wait until the daemon has brought a request to a state."""
        shown = f"maestro-agent requests {request_id(number)} --json"
        code = "import json, sys; print(json.load(sys.stdin)['requests'][0]['steps'][-1]['state'])"
        self._host.tick()
        self._host.wait(f"request {number} is {state}", f'{shown} | python3 -c "{code}" | grep -qx {state}')


def test_what_people_sign_runs_once_and_what_anybody_forges_never(host: Kept, tmp_path: Path) -> None:
    host.wait_for_daemon()
    host.have(package("a", "2"), package("b", "2"))
    host.check("--wait")
    ann = Person(host, tmp_path)

    ann.send(request=ann.request(1, signed=False))
    ann.send(request={**ann.request(2), "comment": "changed afterwards"})
    for name in FILES:
        host.machine.run(f"sh -c 'echo >> {RECORD}/{name}; rm -f {RECORD}/{name}'", user="maestro-agent")
    assert ann.send(job="run-request")["exit_code"] == 2
    assert [ann.entry(number)["steps"][-1]["why"] for number in (1, 2)] == ["unsigned", "bad-signature"]
    assert host.versions("a", "b") == {"a": "1", "b": "1"}

    only = ann.request(3, verb="upgrade-fixes", arguments={"fixes": ["a"]})
    assert ann.send(request=only)["exit_code"] == 0
    ann.wait_for(3, "done")
    assert host.versions("a", "b") == {"a": "2", "b": "1"}
    run = host.agent(f"history {ann.entry(3)['steps'][-1]['run']} --json").json
    assert run["requested_by"] == f"request {request_id(3)} by jörg"
    assert ann.entry(3)["signed_by"] == "ann@example.org"

    host.machine.check("touch /run/reboot-required; echo a > /run/reboot-required.pkgs")
    host.machine.check(f"systemd-run {DELAYS_SHUTDOWN}")
    before = host.machine.leader
    ann.send(request=ann.request(4, verb="reboot-if-required"))
    ann.send(request=ann.request(5))
    host.tick()
    host.machine.follow_reboot(before)
    ann.wait_for(4, "done")
    ann.wait_for(5, "done")
    leader = host.machine.leader
    for request in (only, ann.request(4, verb="reboot-if-required")):
        ann.send(request=request)
    host.tick()
    host.wait_for_idle()
    print(json.dumps(ann.entry(4)))
    assert host.machine.leader == leader
    assert "Traceback" not in host.machine.journal(UNIT)
