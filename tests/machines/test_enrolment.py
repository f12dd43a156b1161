"""Enrolment on a booted machine: the daemon in its sandbox, the worker as root, a real endpoint over real TLS."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer
from tests.support.recorded import RECORD, UNIT, Kept

pytestmark = [
    pytest.mark.xdist_group("booted-5"),
    pytest.mark.skipif(not bases.thorough(), reason="a minute on a booted machine; report/endpoint has the faults"),
]
PORT = 8443
TOKEN = f"{RECORD}/outbox/endpoint-token.json"
SETTINGS = f"""\
[agent]
tags = ["rack-7"]
[endpoint]
url = "https://127.0.0.1:{PORT}"
enrolment_key_file = "/etc/maestro-agent/enrolment-key"
ca_file = "/etc/maestro-agent/ca.pem"
interval = "1m"
[requests]
allow = ["check"]
[reboot]
fleetlock_url = "endpoint"
"""
GIVE_BACK = """\
import sys
sys.path.insert(0, "/usr/share/maestro-agent")
from pathlib import Path
from agent.config.load import load
from agent.core.fleet_lock.server import RELEASE
from agent.host.fleet_lock_client import FleetLockClient
from agent.host.fleet_lock_settings import configured_server
from agent.host.machine.os_release import read_distro
from datetime import timedelta
policy, _ = load(None, read_distro())
print(FleetLockClient(configured_server(policy, "/var/lib/maestro-agent")).call(RELEASE, timedelta(seconds=30)).status)
"""


@pytest.fixture
def endpoint(own: Kept, tmp_path: Path) -> Iterator[EndpointServer]:
    """Return an endpoint on the machine's loopback, with a database outside of the machine."""
    authority = Authority.make(tmp_path / "ca")
    database = f"sqlite:///{tmp_path}/endpoint.db"
    made = EndpointServer(
        directory=tmp_path, authority=authority, database=database, port=PORT, network=own.machine.leader
    )
    made.configure()
    made.start()
    yield made
    made.end()


def listed(endpoint: EndpointServer) -> Any:
    """Return the first enrolment; None: nobody has asked."""
    found = json.loads(endpoint.run("enrolments", "list", "--all", "--json").stdout)["enrolments"]
    return found[0] if found else None


def row(endpoint: EndpointServer) -> Any:
    """Return the machine's row of the fleet."""
    hosts = json.loads(endpoint.run("fleet", "--json").stdout)["hosts"]
    return hosts[0] if hosts else None


def test_a_machine_enrols_after_approval_and_all_its_parts_use_its_token(own: Kept, endpoint: EndpointServer) -> None:
    own.wait_for_daemon()
    key = endpoint.token("--enrol", "--approve", "--tag", "cloud", "--uses", "1")
    own.machine.write("/srv/key", f"{key}\n", 0o600)
    own.machine.check("install -m 640 -g maestro-agent /srv/key /etc/maestro-agent/enrolment-key")
    own.machine.write("/etc/maestro-agent/ca.pem", endpoint.authority.file.read_text())
    own.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", SETTINGS)
    own.machine.check(f"systemctl reload {UNIT}")

    own.wait_for_export("it asks", lambda: listed(endpoint) is not None)
    assert (listed(endpoint)["status"], row(endpoint)) == ("waiting", None)
    own.wait("it says so", "maestro-agent status --json | grep -q 'not enrolled at the endpoint yet'")
    assert "not enrolled at the endpoint yet" in json.dumps(own.status()["reporting"])
    assert endpoint.run("enrolments", "approve", "--all").returncode == 0
    own.wait_for_export("it reports", lambda: row(endpoint) is not None)

    assert own.machine.check(f"stat -c '%U %G %a' {TOKEN}").split() == ["maestro-agent", "maestro-agent", "600"]
    assert "cloud" in endpoint.run("tag").stdout
    own.machine.check("rm /etc/maestro-agent/enrolment-key")
    made = endpoint.run("request", "check", "--host", row(endpoint)["host_id"], "--json")
    assert made.returncode == 0, made.stderr

    def ended() -> bool:
        shown = json.loads(endpoint.run("requests", "list", "--json").stdout)
        return "done" in json.dumps(shown)

    own.wait_for_export("the request is confirmed by root with that token, and done", ended)
    assert own.python(GIVE_BACK).stdout.strip() == "200"
    secrets = [text.split("_", 2)[2] for text in (key, json.loads(own.machine.path(TOKEN).read_text())["token"])]
    seen = (
        own.machine.journal(UNIT) + own.agent("status --json").out + own.agent("report --show").out + endpoint.journal
    )
    assert [secret for secret in secrets if secret in seen] == []
    assert own.agent("status --check").out.startswith("MAESTRO UNKNOWN - ")  # it has no package sources
