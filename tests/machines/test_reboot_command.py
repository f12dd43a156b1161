"""`reboot`, `restart-services` and `lock` at a terminal of a booted machine: what is shown, asked and done."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.support.engines import EngineMachine
from tests.support.recorded import RECORD, UNIT, Kept
from tests.support.terminal import at_terminal

pytestmark = pytest.mark.xdist_group("booted-4")
QUESTION = "[y/N] "
INHIBIT = (
    "systemd-run --unit=backup systemd-inhibit --what=shutdown --who=backup --why='copying' --mode=block sleep 900"
)


@pytest.fixture
def flagged(own: Kept) -> Kept:
    """Return a machine on which a package requires a reboot."""
    own.wait_for_daemon()
    own.machine.check("dpkg-reconfigure -f noninteractive dbus")
    assert own.machine.path("/run/reboot-required").exists()
    return own


def test_a_person_at_a_terminal_sees_the_plan_and_is_asked(flagged: Kept) -> None:
    before = flagged.machine.leader

    no = at_terminal(flagged.machine, "maestro-agent reboot", (QUESTION, "n\n", ""), columns=80)
    runs = flagged.runs()
    planned = at_terminal(flagged.machine, "maestro-agent reboot --dry-run", columns=80)
    assert flagged.machine.leader == before
    yes = at_terminal(flagged.machine, "maestro-agent reboot --if-required", (QUESTION, "y\n", ""), columns=80)
    flagged.machine.follow_reboot(before)
    flagged.wait_for_daemon()
    flagged.wait("the reboot is verified", f'grep -q \'"finished_at": "\' {RECORD}/reboot-outcome.json')
    shown = flagged.agent("history last").out
    status = flagged.agent("status").out
    for part in (no.text, planned.text, yes.text, shown, status):
        print(part)

    assert (no.code, runs) == (1, [])
    assert "dbus" in no.text
    assert planned.code == 0
    assert QUESTION not in planned.text
    assert "The machine reboots now" in yes.text
    assert "Rebooted, down for" in shown
    assert "Last reboot" in status


def test_a_closed_gate_is_named_and_nothing_is_asked(flagged: Kept) -> None:
    flagged.machine.check(INHIBIT)
    flagged.wait("the inhibitor", "systemd-inhibit --list | grep -q backup")

    done = at_terminal(flagged.machine, "maestro-agent reboot", columns=80)
    look = flagged.agent("explain reboot")
    print(done.text, look.out)

    assert done.code == 10
    assert flagged.runs() == [], "no job ran: the gate could have opened meanwhile, and nobody was asked"
    assert "backup" in done.text
    assert QUESTION not in done.text
    assert look.code == 10
    assert "inhibited" in look.out


def test_a_scheduled_reboot_is_shown_and_can_be_cancelled(flagged: Kept) -> None:
    made = flagged.agent('reboot --if-required --at "tomorrow 02:00" --comment "new dbus"')
    status, look = flagged.agent("status").out, flagged.agent("explain reboot").out
    ended = flagged.agent("reboot --cancel")
    again = flagged.agent("reboot --cancel")
    for part in (made.out, status, look, ended.out, again.out):
        print(part)

    assert (made.code, ended.code, again.code) == (0, 0, 0)
    assert "new dbus" in status
    assert "scheduled by root" in look
    assert not flagged.machine.path(f"{RECORD}/reboot-schedule.json").exists()
    assert flagged.machine.log_entries("MAESTRO_EVENT=reboot.scheduled")
    assert flagged.machine.log_entries("MAESTRO_EVENT=reboot.cancelled")


def test_a_reboot_that_the_daemon_does_in_its_window_needs_nobody(flagged: Kept) -> None:
    flagged.agent("check --wait")
    before = flagged.agent("status --quiet").out
    day = datetime.now(timezone.utc) + timedelta(days=2)
    window = f'[reboot]\npolicy = "window"\nwindow = "nights"\n[windows]\nnights = "{day:%a} 02:00-04:00 UTC"\n'
    flagged.machine.write("/etc/maestro-agent/config.d/20-reboot.toml", window)
    flagged.machine.check(f"systemctl reload {UNIT}")
    flagged.wait("the daemon knows when", "grep -q '\"reboot\": ' /run/maestro-agent/daemon.json")

    status, found = flagged.agent("status").out, flagged.status()
    after = flagged.agent("status --quiet").out
    print(status)

    assert "a reboot is required" in before
    assert "a reboot is required" not in after
    assert "in the maintenance window" in status
    assert found["reboots"]["next_at"].startswith(f"{day:%Y-%m-%d}T")


def test_a_person_sees_which_services_are_restarted_and_which_not(own: Kept) -> None:
    own.wait_for_daemon()
    for name in ("web", "worker"):
        own.machine.write(
            f"/etc/systemd/system/{name}.service", f"[Service]\nType=exec\nExecStart=/usr/bin/{name} infinity\n"
        )
        own.machine.check(f"cp /usr/bin/sleep /usr/bin/{name} && systemctl daemon-reload && systemctl start {name}")
    for program in ("web", "worker", "dbus-daemon"):
        own.machine.check(f"cp /usr/bin/{program} /usr/bin/.new && mv /usr/bin/.new /usr/bin/{program}")

    no = at_terminal(own.machine, "maestro-agent restart-services", (QUESTION, "n\n", ""), columns=80)
    before = own.machine.check("systemctl show -p MainPID --value web worker")
    yes = at_terminal(own.machine, "maestro-agent restart-services", (QUESTION, "y\n", ""), columns=80)
    after = own.machine.check("systemctl show -p MainPID --value web worker")
    again = own.agent("restart-services --dry-run")
    shown = own.agent("history last")
    for part in (no.text, yes.text, again.out, shown.out):
        print(part)

    assert (no.code, yes.code, again.code) == (1, 10, 10)
    assert before != after
    assert "Restart 2 services?" in no.text
    assert "dbus" in no.text
    assert "web" not in again.out
    assert own.runs()


@pytest.mark.xdist_group("engines-5")
def test_the_containers_that_do_not_come_back_are_named_before(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    for name, policy in (("web", "always"), ("db", "unless-stopped"), ("job", "no")):
        engine.run_container(name, policy=policy)

    plan = kept.agent("reboot --dry-run")
    before = kept.machine.leader
    kept.agent("reboot")
    kept.machine.follow_reboot(before)
    kept.wait("the engine", "docker ps")
    kept.wait("the containers", "docker ps --format '{{.Names}}' | grep -q web")
    running = set(kept.machine.check("docker ps --format '{{.Names}}'").split())
    print(plan.out, running)

    assert plan.code == 0
    assert "2 containers started again" in plan.out
    assert "job (no)" in plan.out
    assert running == {"web", "db"}


def test_without_root_nothing_is_scheduled_and_the_gates_are_shown(flagged: Kept) -> None:
    codes = [
        flagged.agent(words, user="nobody").code
        for words in ("reboot", "reboot --at 02:00", "reboot --cancel", "reboot --dry-run", "restart-services")
    ]
    look = flagged.agent("explain reboot --json", user="nobody")
    lock = flagged.agent("lock", user="nobody")

    assert codes == [4] * 5
    assert json.loads(look.out)["conclusion"] == "required"
    assert lock.code == 0
