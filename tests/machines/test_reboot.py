"""Reboots of a booted machine by the agent: the flag of a real package, real logind, hooks, outbox."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.repository import package

pytestmark = pytest.mark.xdist_group("booted-6")
NOBODY_THERE = '[endpoint]\nurl = "https://127.0.0.1:1"\ninterval = "1m"\n'
HOOK = "#!/bin/sh\ncat >>/srv/$(basename $(dirname $0)); echo >>/srv/$(basename $(dirname $0))\n"
EVENTS = """
import json, sqlite3
outbox = sqlite3.connect("file:/var/lib/maestro-agent/outbox/outbox.sqlite?mode=ro", uri=True)
rows = outbox.execute("SELECT body FROM events ORDER BY sequence")
print(json.dumps([json.loads(body) for (body,) in rows]))
"""


@pytest.fixture
def flagged(own: Kept) -> Kept:
    """Return a machine on which a package requires a reboot, with hooks, and with an endpoint that does not answer."""
    own.wait_for_daemon()
    own.machine.write("/etc/maestro-agent/config.d/50-endpoint.toml", NOBODY_THERE)
    for name in ("pre-reboot.d", "post-reboot.d"):
        own.machine.write(f"/etc/maestro-agent/hooks/{name}/10-note", HOOK, 0o755)
    own.machine.check(f"systemctl restart {UNIT}")
    own.wait_for_daemon()
    own.machine.check("dpkg-reconfigure -f noninteractive dbus")
    assert own.machine.path("/run/reboot-required").exists()
    return own


def outcome(host: Kept) -> Any:
    file = host.machine.path(f"{RECORD}/reboot-outcome.json")
    return json.loads(file.read_text()) if file.exists() else None


def noted(host: Kept, name: str) -> list[Any]:
    file = host.machine.path(f"/srv/{name}")
    return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []


def events(host: Kept, kind: str) -> list[Any]:
    done = host.python(EVENTS)
    assert done.returncode == 0, done.stderr
    return [body["document"] for body in json.loads(done.stdout) if body["type"] == kind]


def test_a_required_reboot_is_taken_verified_and_reported_once(flagged: Kept) -> None:
    before = flagged.machine.leader
    boot = flagged.machine.check("cat /proc/sys/kernel/random/boot_id").strip()
    found = flagged.status()["reboot"]

    asked = flagged.agent("reboot --if-required --json")
    flagged.machine.follow_reboot(before)
    flagged.wait_for_daemon()
    flagged.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    last = outcome(flagged)
    flagged.wait_for_export("the outcome is queued", lambda: bool(events(flagged, "reboot-outcome")))
    again = flagged.agent("reboot --if-required --json")

    print(json.dumps(last))
    assert (found["required"], found["packages"]) == (True, ["dbus"])
    assert (asked.code, asked.json["result"], asked.json["reason"]["packages"]) == (0, "requested", ["dbus"])
    assert (last["result"], last["problems"], last["id"]) == ("rebooted", [], asked.json["id"])
    assert last["boot_before"]["boot_id"] == boot != last["boot_after"]["boot_id"]
    assert 0 < last["downtime_s"] < 120
    assert not flagged.machine.path("/run/reboot-required").exists()
    assert [(one["result"], one["rebooted"]) for one in noted(flagged, "post-reboot.d")] == [("rebooted", True)]
    assert len(noted(flagged, "pre-reboot.d")) == 1
    assert len(events(flagged, "reboot-started")) == 1
    assert [one["downtime_s"] for one in events(flagged, "reboot-outcome")] == [last["downtime_s"]]
    assert (again.code, again.json["result"]) == (0, "not-required")
    assert not flagged.machine.path(f"{RECORD}/reboot.json").exists()
    assert "Traceback" not in flagged.machine.journal(UNIT)


def test_a_block_inhibitor_stops_it_and_the_daemon_does_not_reboot_by_itself(flagged: Kept) -> None:
    leader = flagged.machine.leader
    flagged.machine.check(
        "systemd-run --unit=backup systemd-inhibit --what=shutdown --who=backup --why=running --mode=block sleep 600"
    )
    flagged.wait("the inhibitor", "systemd-inhibit --list | grep -q backup")

    blocked = flagged.agent("reboot --if-required --json")
    for _ in range(3):
        flagged.tick()
        flagged.wait_for_idle()

    assert (blocked.code, blocked.json["result"], blocked.json["blocked"]["why"]) == (10, "blocked", "inhibited")
    assert noted(flagged, "pre-reboot.d") == []
    assert (flagged.machine.leader, outcome(flagged)["id"]) == (leader, blocked.json["id"])
    assert flagged.machine.run("systemctl is-system-running").stdout.strip() in {"running", "degraded"}


def test_a_scheduled_reboot_is_carried_out_by_the_daemon_once(flagged: Kept) -> None:
    before = flagged.machine.leader
    scheduled = flagged.agent("reboot --at +5s --comment kernel --json")
    shown = flagged.status()
    flagged.machine.follow_reboot(before, 200)
    flagged.wait_for_daemon()
    flagged.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    last = outcome(flagged)
    again = flagged.machine.leader
    for _ in range(3):
        flagged.tick()
        flagged.wait_for_idle()

    assert scheduled.code == 0
    assert shown["reboot"]["required"] is True
    assert (last["result"], last["origin"]) == ("rebooted", "schedule")
    assert not flagged.machine.path(f"{RECORD}/reboot-schedule.json").exists()
    assert flagged.machine.leader == again
    assert len(noted(flagged, "pre-reboot.d")) == 1


WINDOW = '[windows]\nnow = "daily {}"\n[reboot]\npolicy = "window"\nwindow = "now"\nexpected = "1m"\n'


def configure_window(host: Kept, *, hours_ahead: int) -> None:
    """Have the window of the policy open half an hour before that time, for an hour and a half."""
    middle = datetime.now(timezone.utc) + timedelta(hours=hours_ahead)
    span = f"{middle - timedelta(minutes=30):%H:%M}-{middle + timedelta(hours=1):%H:%M} UTC"
    host.machine.write("/etc/maestro-agent/config.d/60-window.toml", WINDOW.format(span))
    host.machine.check(f"systemctl reload {UNIT}")
    host.tick()


def test_the_policy_reboots_inside_its_window_and_not_again(flagged: Kept) -> None:
    before = flagged.machine.leader
    # The window was open before the daemon started: it would wait until the boot is some minutes old.
    flagged.machine.check(
        "sed -i 's/_BOOT_GRACE = timedelta(minutes=5)/_BOOT_GRACE = timedelta(seconds=5)/' "
        "/usr/share/maestro-agent/agent/core/schedule/slots.py && "
        f"systemctl restart {UNIT}"
    )
    flagged.wait_for_daemon()
    configure_window(flagged, hours_ahead=0)
    flagged.machine.follow_reboot(before, 180)
    flagged.wait_for_daemon()
    flagged.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    last, again = outcome(flagged), flagged.machine.leader
    flagged.machine.check("dpkg-reconfigure -f noninteractive dbus")
    for _ in range(3):
        flagged.tick()
        flagged.wait_for_idle()

    assert (last["result"], last["origin"], last["requested_by"]) == ("rebooted", "policy", None)
    assert flagged.status()["reboot"]["required"] is True
    assert flagged.machine.leader == again
    assert flagged.machine.run(f"test -e {RECORD}/reboot.json").returncode != 0


def test_the_policy_does_not_reboot_outside_its_window(flagged: Kept) -> None:
    configure_window(flagged, hours_ahead=6)
    for _ in range(3):
        flagged.tick()
        flagged.wait_for_idle()
    explained = flagged.agent("explain reboot")

    assert outcome(flagged) is None
    assert "outside" in explained.out


def test_an_upgrade_that_fails_is_not_followed_by_a_reboot_and_closes_the_gates(flagged: Kept) -> None:
    leader = flagged.machine.leader
    flagged.have(package("broken", "2", postinst="exit 1"))

    done = flagged.agent("upgrade --reboot-if-required --json --wait")
    alone = flagged.agent("reboot --if-required --json")

    assert (done.code, done.json["result"], done.json.get("reboot_outcome")) == (1, "failed", None)
    assert (alone.code, alone.json["result"]) == (10, "blocked")
    assert alone.json["blocked"]["why"] in {"run-failed", "dpkg-unfinished"}
    assert (flagged.machine.leader, noted(flagged, "pre-reboot.d")) == (leader, [])


def test_an_upgrade_is_followed_by_the_reboot_that_was_requested_with_it(flagged: Kept) -> None:
    before = flagged.machine.leader
    flagged.have(package("fine", "2"))

    done = flagged.agent("upgrade --reboot-if-required --json --wait")
    flagged.machine.follow_reboot(before)
    flagged.wait_for_daemon()
    flagged.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    last = outcome(flagged)

    assert (done.code, done.json["result"], done.json["reboot_outcome"]["result"]) == (0, "updated", "requested")
    assert (last["id"], last["result"]) == (done.json["reboot_outcome"]["id"], "rebooted")
