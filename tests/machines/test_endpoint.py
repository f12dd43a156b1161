"""The daemon in its sandbox on a booted machine sends what is recorded there to a real endpoint over real TLS."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.installation import stored_events, until
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-5")
PORT = 8443
SETTINGS = f"""\
[endpoint]
url = "https://127.0.0.1:{PORT}"
token_file = "/etc/maestro-agent/token"
ca_file = "/etc/maestro-agent/ca.pem"
interval = "1m"
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


def introduce(host: Kept, endpoint: EndpointServer) -> None:
    """Set the machine up as docs/endpoint/README.md describes."""
    token = endpoint.token("--name", "tests")
    host.machine.write("/srv/token", f"{token}\n", 0o600)
    host.machine.check("install -m 640 -g maestro-agent /srv/token /etc/maestro-agent/token")
    host.machine.write("/etc/maestro-agent/ca.pem", endpoint.authority.file.read_text())
    host.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", SETTINGS)
    host.machine.check(f"systemctl reload {UNIT}")


def kinds(endpoint: EndpointServer) -> list[str]:
    return [body["type"] for _, _, body in stored_events(Path(endpoint.directory, "endpoint.db"))]


def row(endpoint: EndpointServer) -> Any:
    """Return the machine's row of the fleet."""
    hosts = json.loads(endpoint.run("fleet", "--json").stdout)["hosts"]
    return hosts[0] if hosts else None


def test_events_of_a_machine_reach_the_endpoint_through_kills_and_a_reboot(own: Kept, endpoint: EndpointServer) -> None:
    own.wait_for_daemon()
    own.have(package("patched", "2"))
    introduce(own, endpoint)

    own.upgrade("--wait")
    own.wait_for_export("the outcome is sent", lambda: "outcome" in kinds(endpoint))
    endpoint.stop()
    before = own.wait_for_daemon()
    own.machine.run(f"systemctl kill -s KILL {UNIT}")  # it complains where a sender ends by itself just then
    own.wait_for_daemon(other_than=before)
    own.have(package("later", "2"))
    own.upgrade("--wait")
    own.machine.reboot()
    endpoint.network = own.machine.leader
    endpoint.start()
    own.wait_for_export("the reboot is sent", lambda: "rebooted" in kinds(endpoint))
    until("the state is there", lambda: (row(endpoint) or {}).get("health") is not None, 150)
    until("nothing waits", lambda: own.status()["reporting"]["endpoint"]["depth"] == 0, 150)
    status = own.status()["reporting"]["endpoint"]

    print(kinds(endpoint), row(endpoint))
    assert kinds(endpoint)[:2] == ["outbox-begun", "agent-started"]
    assert kinds(endpoint).count("outcome") == len(own.runs())
    assert kinds(endpoint).count("rebooted") == 1
    assert (status["refused"], status["dropped"], status["depth"]) == (0, 0, 0)
    assert "complete" in endpoint.run("fleet").stdout
    assert own.machine.check(f"stat -c '%U %a' {RECORD}/outbox").split() == ["maestro-agent", "700"]
    assert re.search(r"(?m)^Endpoint +https://\S+", own.agent("status").out)
    assert "Traceback" not in own.machine.journal(UNIT)


def test_credential_of_the_daemon_serves_a_person_too(own: Kept, endpoint: EndpointServer) -> None:
    own.wait_for_daemon()
    introduce(own, endpoint)
    drop_in = f"/etc/systemd/system/{UNIT}.service.d/token.conf"
    own.machine.write(drop_in, "[Service]\nLoadCredential=endpoint-token:/srv/token\n")
    own.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", SETTINGS.replace("token_file", "# token_file"))
    own.machine.check("rm /etc/maestro-agent/token")
    own.machine.check(f"systemctl daemon-reload && systemctl restart {UNIT}")
    own.wait_for_daemon()
    own.wait_for_export("the daemon is accepted", lambda: row(endpoint) is not None)

    done = own.agent("report --send")

    assert (done.code, done.err) == (0, "")
    assert "not sent" not in done.out
    assert "401" not in own.agent("status").out
