"""Provisioning that is killed at random points and loses power: it goes on, and reboots once. In the thorough run."""

import json
import random
import time

import pytest

from tests.machines.test_provision_booted import FIRST_BOOT, NEEDS_REBOOT, provision_record, wait_until_done
from tests.support import bases
from tests.support.recorded import RECORD, UNIT, WORKER, Kept, stop_daemon
from tests.support.repository import package

pytestmark = [
    pytest.mark.xdist_group("booted-7"),
    pytest.mark.skipif(not bases.thorough(), reason="minutes on a booted machine"),
]
NAMES = [f"p{number:02}" for number in range(60)]
KILLS = 10
JOB = f"'[l]{WORKER[1:]}|[/]maestro-agent provision'"
"""The worker, or the command itself, which runs the job where it cannot reach the worker."""
KILL = f"while pkill -KILL -f {JOB}; do sleep 0.1; done; pkill -KILL -f '[.]postinst configure'; pkill -KILL dpkg; true"
"""The job and what it started, again for a process that forked meanwhile."""
REBOOTS = "pgrep -f '[p]re-reboot.d/slow'"
RUNS = f"pgrep -f {JOB}"


def new_server(host: Kept, needs_reboot: str) -> None:
    """Offer sixty updates, of which one needs a restart, and the successor of a package."""
    host.wait_for_daemon()
    slow = {name: f"sleep 0.5; {NEEDS_REBOOT if name == needs_reboot else ':'}" for name in NAMES}
    host.have(*(package(name, "2", postinst=script) for name, script in slow.items()))
    host.install(package("old", "1"), package("user", "1", depends="old"))
    host.repository(
        "updates",
        package("user", "2", depends="new"),
        package("new", "2", conflicts="old", replaces="old", provides="old"),
    )
    host.small_transactions(6)
    host.machine.write("/etc/maestro-agent/hooks/pre-reboot.d/slow", "#!/bin/sh\nsleep 10\n", 0o755)
    host.machine.write("/run/cloud-init/result.json", "{}")
    host.machine.write("/etc/maestro-agent/config.d/50-provision.toml", FIRST_BOOT)
    host.machine.check(f"systemctl restart {UNIT}")
    host.wait_for_daemon()


def go_on(host: Kept) -> None:
    """Have a person go on at once; the daemon, which would wait after a failure, is stopped meanwhile."""
    host.machine.check("setsid maestro-agent provision >>/srv/out 2>&1 </dev/null &")
    host.wait("the job runs", RUNS, 60)


def is_complete(host: Kept) -> bool:
    wanted = {**dict.fromkeys(NAMES, "2"), "user": "2", "new": "2", "old": None}
    return host.versions(*NAMES, "user", "new", "old") == wanted


def test_provisioning_that_is_killed_ten_times_goes_on_and_reboots_once(own: Kept) -> None:
    chance, seen = random.Random(16), []  # noqa: S311 - points in time
    new_server(own, NAMES[-1])
    before = own.machine.leader
    stop_daemon(own.machine)
    own.machine.check(KILL)

    for number in range(KILLS):
        go_on(own)
        if number == KILLS - 1:
            own.wait("all is installed", REBOOTS, 300)
        else:
            time.sleep(chance.uniform(0.1, 4))
        assert own.machine.leader == before
        own.machine.check(KILL)
        phase = provision_record(own)
        seen.append((phase and phase["phase"], sum(version == "2" for version in own.versions(*NAMES).values())))
    print(seen)
    own.machine.check(f"rm -f {RECORD}/jobs.json; systemctl start {UNIT}")
    own.machine.follow_reboot(before)
    wait_until_done(own)
    last, runs = provision_record(own), own.runs()

    print(json.dumps(last), [(run["schema"], run.get("result")) for run in runs])
    assert (last["rebooted"], last["result"]) == (True, "up-to-date")
    assert is_complete(own)
    assert [run["result"] for run in runs if run["schema"] == "maestro.reboot-outcome/1"].count("rebooted") == 1
    assert own.machine.check("dpkg --audit") == ""
    assert "Traceback" not in own.machine.journal(UNIT)


@pytest.mark.parametrize("at", ["while-packages-are-installed", "before-its-own-reboot"])
def test_provisioning_whose_server_loses_power_goes_on_and_restarts_no_more_than_needed(own: Kept, at: str) -> None:
    new_server(own, NAMES[-1])
    installing = at == "while-packages-are-installed"
    if installing:
        own.wait("half is installed", f"dpkg-query -W -f '${{Version}}' {NAMES[8]} | grep -qx 2")
    else:
        own.wait("all is installed", REBOOTS, 300)
    own.machine.reboot(orderly=False)
    own.machine.write("/run/cloud-init/result.json", "{}")
    own.wait_for_daemon()
    again = own.machine.leader
    own.machine.check(f"rm -f {RECORD}/jobs.json")
    own.tick()
    if installing:
        own.machine.follow_reboot(again)
    wait_until_done(own)
    last = provision_record(own)

    print(json.dumps(last), [(run["schema"], run.get("result")) for run in own.runs()])
    assert (last["rebooted"], last["result"]) == (True, "up-to-date")
    assert is_complete(own)
    assert own.machine.check("dpkg --audit") == ""
