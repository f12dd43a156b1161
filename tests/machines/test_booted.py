"""Booted machines that run at the same time, as the processes of one test run start them."""

import re

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
