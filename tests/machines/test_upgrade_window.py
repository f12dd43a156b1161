"""The daily upgrade in a maintenance window, on a booted machine: inside and never outside."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.recorded import SOCKET, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-4")
DROP_IN = "/etc/maestro-agent/config.d/20-window.toml"
_REQUEST = f"""
import json, socket
request = dict.fromkeys(("plan_id",)) | {{
    "schema": "maestro.job-request/1", "job": "upgrade", "scope": "security", "refresh": True,
    "wait": False, "omit_document": True, "requested_by": "schedule",
}}
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect("{SOCKET}")
    peer.sendall(json.dumps(request).encode() + b"\\n")
    print(peer.makefile().read().splitlines()[-1])
"""
"""As the daemon does, but at a time of the sender's choice."""


def configure(kept: Kept, window: str) -> None:
    text = f'[agent]\nsplay = "0s"\nupgrade_window = "night"\n[windows]\nnight = "{window} UTC"\n'
    kept.machine.write(DROP_IN, text)
    kept.machine.check(f"systemctl reload {UNIT}")


def next_upgrade(kept: Kept) -> datetime:
    return datetime.fromisoformat(str(kept.daemon()["next"]["upgrade"]).replace("Z", "+00:00"))


def test_the_daily_upgrade_starts_in_its_window_and_only_there(own: Kept) -> None:
    own.have(package("a", "2"))
    own.agent("check --wait")  # a machine that was never checked waits for the opening after its first check
    day = datetime.now(timezone.utc) + timedelta(days=2)
    configure(own, f"{day:%a} 00:00-24:00")
    own.wait_for_daemon()
    own.wait("the daemon knows when", f'grep -q \'"upgrade": "{day:%Y-%m-%d}T00:00\' /run/maestro-agent/daemon.json')
    refused = json.loads(own.python(_REQUEST, user="maestro-agent").stdout)
    outside, runs = next_upgrade(own), own.runs()

    opens = datetime.now(timezone.utc) + timedelta(minutes=1)
    configure(own, f"daily {opens:%H:%M}-{opens - timedelta(minutes=1):%H:%M}")
    own.wait("the upgrade", "ls /var/lib/maestro-agent/history/*.json", 200)
    own.wait_for_idle()
    (run,) = own.runs()

    assert (refused["exit_code"], runs) == (2, [])
    assert "agent.upgrade_window" in refused["error"]
    assert outside.date() == day.date()
    assert (run["result"], run["requested_by"]) == ("updated", "schedule")
    assert datetime.fromisoformat(run["started_at"].replace("Z", "+00:00")) >= opens.replace(second=0, microsecond=0)
