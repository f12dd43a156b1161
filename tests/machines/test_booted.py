"""Booted machines that run at the same time, as the processes of one test run start them."""

import re
import time
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.booted import booted

pytestmark = pytest.mark.xdist_group("booted-2")


def test_no_machine_sees_the_control_groups_of_another(booted_codename: str) -> None:
    base = bases.base(booted_codename, bases.BOOTED)
    with booted(base) as one, booted(base) as other:
        other.check("systemd-run --unit elsewhere sleep 600")
        seen = one.run("ls -d /sys/fs/cgroup/system.slice /sys/fs/cgroup/system.slice/elsewhere.service").stdout
        foreign = [machine.check("cat /sys/fs/cgroup/init.scope/cgroup.procs") for machine in (one, other)]

    assert seen == "/sys/fs/cgroup/system.slice\n"
    assert foreign == ["1\n", "1\n"], "0 is a process of another PID namespace (cgroups(7))"


def test_a_command_that_fails_shows_the_journal_of_its_machine(booted_codename: str) -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the cause; exit 7'\n"
    with booted(bases.base(booted_codename, bases.BOOTED)) as running:
        running.write("/etc/systemd/system/fails.service", unit)
        with pytest.raises(AssertionError) as found:
            running.check("systemctl start fails")

    assert re.search(r"sh\[\d+\]: the cause\n", str(found.value))
    assert re.search(r"status=7\b", str(found.value))


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("systemctl reboot", "booted 2 times"),
        ("systemctl poweroff", "powered off"),
        ("systemctl soft-reboot", "soft-rebooted 1 times"),
    ],
    ids=["reboot", "poweroff", "soft-reboot"],
)
def test_what_no_test_asked_for_fails_at_the_end_of_the_machine(booted_codename: str, command: str, found: str) -> None:
    if command.endswith("soft-reboot") and booted_codename == "bookworm":
        pytest.skip("systemd has no soft-reboot before version 254")
    with pytest.raises(AssertionError, match=found):
        _run_unasked(bases.base(booted_codename, bases.BOOTED), command, found)


def test_each_reboot_that_a_test_asks_for_counts_once(booted_codename: str) -> None:
    with booted(bases.base(booted_codename, bases.BOOTED)) as running:
        running.reboot()
        once = running.unasked()
        running.reboot(orderly=False)

    assert once == ""


def _run_unasked(base: Path, command: str, found: str) -> None:
    with booted(base) as running:
        running.run(f"systemd-run --no-block sh -c 'sleep 1; {command}'")
        deadline = time.monotonic() + 300
        while found not in running.unasked() and time.monotonic() < deadline:
            time.sleep(0.2)
