"""`docker upgrade` without a person, in a maintenance window, and with one, at a terminal; on a real engine."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.recorded import SOCKET, UNIT, Kept
from tests.support.terminal import at_terminal

pytestmark = pytest.mark.xdist_group("engines-5")
MANIFEST = "/etc/maestro-agent/manifest.yml"
DROP_IN = "/etc/maestro-agent/config.d/20-window.toml"
QUESTION = "[y/N] "
_REQUEST = f"""
import json, socket
request = dict.fromkeys(("plan_id",)) | {{
    "schema": "maestro.job-request/1", "job": "docker-upgrade", "scope": "security", "refresh": True,
    "wait": False, "omit_document": True, "requested_by": "schedule",
}}
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect("{SOCKET}")
    peer.sendall(json.dumps(request).encode() + b"\\n")
    print(peer.makefile().read())
"""
"""As the daemon does, but at a time of the sender's choice."""


def configure(kept: Kept, window: str) -> None:
    text = f'[docker]\nwindow = "night"\n[windows]\nnight = "{window} UTC"\n'
    kept.machine.write(DROP_IN, text)
    kept.machine.check(f"systemctl reload {UNIT}")


def closed() -> str:
    """Return a window on a day that is neither today nor tomorrow."""
    return f"{datetime.now(timezone.utc) + timedelta(days=2):%a} 00:00-24:00"


def opens_soon() -> str:
    """Return a window that opens within two minutes, later than the daemon started, and closes a day later."""
    opens = datetime.now(timezone.utc) + timedelta(minutes=1)
    return f"daily {opens:%H:%M}-{opens - timedelta(minutes=1):%H:%M}"


def test_the_daemon_upgrades_docker_in_its_window_and_only_there(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    engine.run_container("web", policy="always")
    engine.run_container("job")
    before = engine.states()
    kept.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
    kept.machine.check(f"systemctl start {UNIT}")
    configure(kept, closed())
    kept.wait_for_daemon()
    kept.agent("check --wait")

    gates = kept.agent("explain docker --json").json["gates"]
    plan = kept.agent("docker plan").out
    kept.wait("the daemon knows when", "grep -q docker-upgrade /run/maestro-agent/daemon.json")
    refused = json.loads(kept.python(_REQUEST, user="maestro-agent").stdout)
    outside = (engine.engine_version(), kept.runs())
    configure(kept, opens_soon())
    kept.wait("the upgrade", f"maestro-agent history | grep -q 'docker {OLDER} -> {NEWER}'", 240)
    kept.wait_for_idle()

    (window,) = [gate for gate in gates if gate["gate"] == "window"]
    (run,) = kept.runs()
    assert (window["verdict"], window["until"] is not None) == ("shut", True)
    assert "outside-window, opens" in plan
    assert (refused["exit_code"], outside) == (2, (OLDER, []))
    assert (run["result"], run["requested_by"], run["containers_lost"]) == ("upgraded", "schedule", [])
    assert (engine.engine_version(), engine.states()) == (NEWER, before)


def test_a_person_at_a_terminal_is_asked_and_gets_exactly_that(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    engine.run_container("job")
    before, pid = engine.states(), engine.engine_pid()
    engine.install_engine(NEWER)

    no = at_terminal(kept.machine, "maestro-agent docker upgrade", (QUESTION, "n\n", ""))
    left = (engine.engine_pid(), kept.runs())
    other = at_terminal(kept.machine, "maestro-agent docker upgrade --plan 0123456789ab")
    yes = at_terminal(kept.machine, "maestro-agent docker upgrade", (QUESTION, "y\n", ""))

    assert (no.code, left) == (1, (pid, []))
    assert (other.code, QUESTION in other.text) == (6, False)
    assert yes.code == 0
    assert f"Docker runs {NEWER} (was {OLDER})" in yes.text
    assert engine.states() == before
    assert [run["result"] for run in kept.runs()] == ["restarted"]
