"""The last minute before a reboot, with a user logged in: visible to others, watched, and cancelled after a kill."""

import json
from typing import Any

import pytest

from tests.machines.test_reboot_gates import login_layers, login_machine
from tests.support.recorded import RECORD, UNIT, Kept

__all__ = ["login_layers", "login_machine"]
pytestmark = pytest.mark.xdist_group("booted-6")
LOG_IN = (
    "systemd-run -q --unit=login --collect ssh -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
    "-i /root/key bob@127.0.0.1 'sleep 600'"
)
INHIBIT = "systemd-run -q --unit=backup --collect systemd-inhibit --what=shutdown --who=backup --mode=block sleep 600"
SCHEDULED = "shutdown --show 2>&1 | grep -q 'Reboot scheduled'"


def begin(host: Kept, unit: str) -> None:
    """Request a reboot, and wait for its warning."""
    host.machine.check(f"systemd-run -q --unit={unit} --collect maestro-agent reboot --yes --despite sessions")
    host.wait("the warning", SCHEDULED)


def end(host: Kept, result: str) -> Any:
    """Wait for a result; return the outcome."""
    host.wait(result, f'grep -q \'"result": "{result}"\' {RECORD}/reboot-outcome.json')
    host.wait_for_idle()
    return json.loads(host.machine.path(f"{RECORD}/reboot-outcome.json").read_text())


def test_an_inhibitor_a_cancellation_and_a_kill_during_the_warning_each_stop_it(login_machine: Kept) -> None:
    leader = login_machine.machine.leader
    login_machine.machine.check(LOG_IN)
    login_machine.wait("the session", "loginctl list-sessions --no-legend | grep -q bob")

    begin(login_machine, "first")
    login_machine.machine.check(INHIBIT)
    blocked, left_1 = end(login_machine, "blocked"), login_machine.machine.run(SCHEDULED).returncode
    login_machine.machine.check("systemctl stop backup")

    begin(login_machine, "second")
    login_machine.machine.check("maestro-agent reboot --cancel")
    cancelled, left_2 = end(login_machine, "interrupted"), login_machine.machine.run(SCHEDULED).returncode

    begin(login_machine, "third")
    login_machine.machine.check(f"systemctl kill --kill-who=main -s STOP {UNIT}")
    login_machine.machine.check(f"kill -9 $(cut -d' ' -f1 {RECORD}/running)")
    assert login_machine.machine.run(SCHEDULED).returncode == 0
    login_machine.machine.check(f"systemctl kill --kill-who=main -s CONT {UNIT}")
    login_machine.wait("the daemon notices", f"test ! -e {RECORD}/reboot.json")
    killed, left_3 = end(login_machine, "interrupted"), login_machine.machine.run(SCHEDULED).returncode

    assert (blocked["blocked"]["why"], left_1) == ("inhibited", 1)
    assert (cancelled["rebooted"], left_2) == (False, 1)
    assert (killed["id"] != cancelled["id"], killed["rebooted"], left_3) == (True, False, 1)
    assert login_machine.machine.leader == leader


def test_a_reboot_by_somebody_else_during_the_warning_is_verified_as_one(login_machine: Kept) -> None:
    before = login_machine.machine.leader
    login_machine.machine.check(LOG_IN)
    login_machine.wait("the session", "loginctl list-sessions --no-legend | grep -q bob")

    begin(login_machine, "first")
    login_machine.machine.run("systemctl reboot")
    login_machine.machine.follow_reboot(before)
    login_machine.wait("it is verified", f"test ! -e {RECORD}/reboot.json")
    last = json.loads(login_machine.machine.path(f"{RECORD}/reboot-outcome.json").read_text())

    assert (last["result"], last["blocked"], last["rebooted"]) == ("rebooted", None, True)
