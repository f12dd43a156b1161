"""The daemon and the worker on a booted machine: systemd as PID 1, the built package installed with apt."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.booted import booted
from tests.support.held import held_until
from tests.support.recorded import RECORD, SOCKET, UNIT, WORKER, WORKER_SOCKET, Kept, put_off
from tests.support.repository import Signer, package
from tests.support.scenario import answer, names

pytestmark = pytest.mark.xdist_group("booted-2")
EXPOSED_AT_MOST = {"maestro-agent.service": 1.5, "maestro-agent-worker@.service": 8.7}


@pytest.fixture(scope="module", autouse=True)
def installed_now(booted_codename: str, deb: Path, signer: Signer) -> Iterator[Kept]:
    """Return a machine on which the agent was just installed; its first look comes while other tests run."""
    with booted(bases.base(booted_codename, bases.BOOTED)) as running:
        host = Kept.bare(running, signer, booted_codename, deb)
        host.have(package("a", "2"))
        put_off(running)
        host.install_agent()
        yield host


def exposure(host: Kept, unit: str) -> float:
    shown = host.machine.run(f"systemd-analyze security --no-pager {unit}").stdout
    return float(shown.rpartition("Overall exposure level")[2].split(":")[1].split()[0])


@pytest.mark.parametrize("unit", EXPOSED_AT_MOST)
def test_daemon_and_worker_units_are_hardened(shared: Kept, unit: str) -> None:
    assert exposure(shared, unit) <= EXPOSED_AT_MOST[unit]


def test_the_daemon_is_unprivileged_and_the_socket_accepts_it_alone(shared: Kept) -> None:
    status = shared.machine.path(f"/proc/{shared.wait_for_daemon()}/status").read_text()
    powers = {line.split()[1] for line in status.splitlines() if line.startswith("Cap")}

    assert powers == {"0" * 16}
    assert shared.machine.check(f"systemctl show -P User {UNIT}").strip() == "maestro-agent"
    assert shared.machine.check(f"stat -c '%a %U' {SOCKET}").split() == ["600", "maestro-agent"]
    assert shared.machine.check(f"systemctl show -P WatchdogUSec {UNIT}").strip() == "3min"
    assert shared.machine.check(f"systemctl show -P MemoryMax {UNIT}").strip() == str(256 << 20)


def test_a_requested_upgrade_runs_in_the_worker_and_outlives_its_client(shared: Kept) -> None:
    shared.have(package("outlives", "2", postinst=f"{held_until('/left')}; cat /proc/self/cgroup > /cgroup"))
    before = len(shared.runs())

    with shared.machine.start("exec maestro-agent upgrade --wait --json") as asking:
        shared.machine.wait_for("outlives.postinst")
        shared.machine.kill("INT", "maestro-agent upgrade")
        _, err = asking.communicate()
    shared.machine.write("/left", "")
    shared.wait_for_idle()

    assert asking.returncode == 130
    assert "continues: `maestro-agent follow`" in err
    assert shared.versions("outlives") == {"outlives": "2"}
    assert "maestro-agent-worker@" in shared.machine.path("/cgroup").read_text()
    assert [run["result"] for run in shared.runs()[before:]] == ["updated"]


def test_a_second_request_names_the_running_job(shared: Kept) -> None:
    shared.have(package("first", "2", postinst="until test -e /refused; do sleep 0.1; done"))
    with shared.machine.start("maestro-agent upgrade --wait --json") as first:
        shared.machine.wait_for("first.postinst")

        second = shared.upgrade()
        shared.machine.write("/refused", "")
        first.communicate()

    assert second.code == 5
    assert "is running: upgrade, since 20" in second.err


def test_a_second_request_waits_with_wait(shared: Kept) -> None:
    shared.have(package("before", "2", postinst="sleep 2"))
    with shared.machine.start("maestro-agent upgrade --wait --json") as first:
        shared.machine.wait_for("before.postinst")

        second = shared.upgrade("--wait")
        first.communicate()

    assert (second.code, second.json["result"]) == (0, "up-to-date")
    assert "waiting: another maestro-agent" in second.err or second.err == ""
    assert shared.versions("before") == {"before": "2"}


def test_a_killed_job_is_interrupted_and_the_next_one_continues(shared: Kept) -> None:
    shared.have(package("killed", "2", postinst=held_until("/worker-killed")), package("later", "2"))
    with shared.machine.start("maestro-agent upgrade --wait --json") as asking:
        shared.machine.wait_for("killed.postinst")
        shared.machine.kill("KILL", WORKER)
        _, err = asking.communicate()
    shared.machine.write("/worker-killed", "")
    shared.wait_for_idle()
    shared.machine.wait_for("killed.postinst", gone=True)
    found = shared.runs()[-1]["result"]

    done = shared.upgrade("--wait")

    assert asking.returncode == 1
    assert "ended without an answer" in err
    assert found == "interrupted"
    assert done.code == 0
    assert shared.versions("killed", "later") == {"killed": "2", "later": "2"}
    assert shared.machine.check("dpkg --audit") == ""


def test_work_that_dpkg_finished_after_a_kill_is_reported_by_the_next_run(shared: Kept) -> None:
    shared.have(package("outlived", "2", postinst="until test -e /go; do sleep 0.1; done"))
    with shared.machine.start("maestro-agent upgrade --wait --json") as asking:
        shared.machine.wait_for("outlived.postinst")
        shared.machine.kill("KILL", WORKER)
        asking.communicate()

    with shared.machine.start("maestro-agent upgrade --wait --json") as second:
        shared.wait("the killed run's record", f"grep -q 'interrupted in a transaction: 0 of 1' {RECORD}/history/*")
        shared.machine.write("/go", "")
        found = json.loads(second.communicate()[0])

    assert (found["result"], names(found["upgraded"])) == ("updated", ["outlived"])


def test_a_reloaded_configuration_changes_the_schedule(shared: Kept) -> None:
    shared.wait_for_daemon()
    shared.wait("a schedule", "maestro-agent status --json | grep -q next_at")
    shared.configuration("[agent]\nupgrade = false\n")

    shared.machine.check(f"systemctl reload {UNIT}")
    shared.wait("the new plan", f"! systemctl show -P StatusText {UNIT} | grep -q 'next upgrade'")
    without = shared.status()["jobs"]["upgrade"]["next_at"]
    shared.configuration("")
    shared.machine.check(f"systemctl reload {UNIT}")
    shared.wait("the old plan", f"systemctl show -P StatusText {UNIT} | grep -q 'next upgrade'")

    assert without is None
    assert shared.status()["jobs"]["upgrade"]["next_at"] is not None


def test_an_installed_agent_checks_by_itself_and_everybody_can_read_the_status(installed_now: Kept) -> None:
    installed_now.wait("a first look", f'grep -q \'"finished_at": "\' {RECORD}/jobs.json', 180)
    status = installed_now.agent("status --json", user="65534")
    began = moment(installed_now.daemon()["started_at"])
    checked = moment(
        json.loads(installed_now.machine.path(f"{RECORD}/jobs.json").read_text())["jobs"]["check"]["finished_at"]
    )

    assert checked - began < timedelta(minutes=2)
    assert status.code == 10
    assert status.json["jobs"]["check"]["last_exit_code"] == 10
    assert names(status.json["plan"]["install"]) == ["a"]
    assert status.json["daemon"]["alive"] is True
    assert status.json["jobs"]["upgrade"]["next_at"] is not None
    assert installed_now.versions("a") == {"a": "1"}


def test_a_reboot_flag_wakes_the_sleeping_daemon(shared: Kept) -> None:
    shared.wait_for_daemon()
    shared.wait_for_idle()
    shared.wait("its sleep", f"! systemctl show -P StatusText {UNIT} | grep -q starting")
    next_look_at = moment(shared.daemon()["next_look_at"])

    shared.machine.check("touch /run/reboot-required")
    shared.wait("the flag", f"systemctl show -P StatusText {UNIT} | grep -q 'reboot is required'", 60)
    seen_at = moment(shared.daemon()["seen_at"])
    shared.machine.check("rm /run/reboot-required")
    shared.wait("its end", f"! systemctl show -P StatusText {UNIT} | grep -q 'reboot is required'", 60)

    assert seen_at <= next_look_at
    assert "watch.unavailable" not in shared.machine.check(f"journalctl -u {UNIT} -o json --no-pager")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_the_record_survives_a_reboot(own: Kept) -> None:
    own.have(package("a", "2"))
    done = answer(own.machine.run("maestro-agent upgrade --wait --json"))

    own.machine.reboot()
    own.wait_for_daemon()

    assert json.loads(done.out)["result"] == "updated"
    assert [run["id"] for run in own.runs()] == [done.json["id"]]
    assert own.machine.check(f"systemctl is-active {WORKER_SOCKET}").strip() == "active"
    assert own.agent("status").code in {0, 10}
