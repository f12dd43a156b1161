"""The apt-daily jobs and unattended-upgrades beside the agent: one waits for the other."""

import re
import subprocess
import time

import pytest

from tests.support.held import held_until, wait_for_the_wait
from tests.support.machine import Machine
from tests.support.repository import package
from tests.support.scenario import Scenario, answer

LOCK = "/var/lib/apt/daily_lock"
DAILY = "/usr/lib/apt/apt.systemd.daily"


@pytest.fixture(autouse=True)
def _periodic(host: Scenario) -> None:
    """Have apt run unattended-upgrades each time its daily job is woken."""
    host.machine.write(
        "/etc/apt/apt.conf.d/99daily",
        'APT::Periodic::Enable "1";\nAPT::Periodic::Unattended-Upgrade "always";\n'
        'APT::Periodic::Update-Package-Lists "always";\n',
    )


def wait_until_locked(machine: Machine) -> None:
    deadline = time.monotonic() + 60
    while machine.run(f"flock -n {LOCK} true").returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.every_release
def test_an_upgrade_waits_for_unattended_upgrades_and_finds_nothing_to_do(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst=held_until("/go")))
    host.machine.check("apt-get update")

    with host.machine.start(f"{DAILY} install") as daily:
        host.machine.wait_for("a.postinst")
        with host.machine.start("maestro-agent upgrade --json") as upgrade:
            wait_for_the_wait(host.machine, "apt.systemd.dai")
            time.sleep(1.1)
            host.machine.write("/go", "")
            out, err = upgrade.communicate()
        daily.communicate()
    done = answer(subprocess.CompletedProcess([], upgrade.returncode, out, err))

    assert (done.code, done.json["result"]) == (0, "up-to-date")
    assert host.versions("a") == {"a": "2"}
    assert done.json["lock"]["waited_s"] > 1
    assert re.match(r"apt.systemd.dai \(pid \d+, since 20", done.json["lock"]["by"])


@pytest.mark.every_release
def test_apts_daily_job_waits_for_an_upgrade_and_finds_nothing_to_do(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst="sleep 6"))

    with host.machine.start("maestro-agent upgrade --json") as upgrade:
        host.machine.wait_for("a.postinst")
        daily = host.machine.run(f"{DAILY} install")
        out, _ = upgrade.communicate()

    assert daily.returncode == 0
    assert '"result": "updated"' in out
    assert host.machine.check("grep -c ' upgrade a:' /var/log/dpkg.log").strip() == "1"


def test_a_daily_job_that_does_not_end_is_reported_after_the_timeout(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.configuration('[apt]\nlock_timeout = "1s"\n')
    with host.machine.start(f"exec flock {LOCK} /bin/sleep 60") as daily:
        wait_until_locked(host.machine)

        done = host.upgrade()
        daily.kill()

    assert (done.code, done.json["result"]) == (0, "updated")
    assert re.match(r"\w+ \(pid \d+, since 20", done.json["lock"]["by"])
    assert done.json["lock"]["waited_s"] >= 1


def test_a_check_without_refresh_does_not_wait(host: Scenario) -> None:
    host.offer("security", package("a", "2"))
    host.check()
    with host.machine.start(f"exec flock {LOCK} /bin/sleep 60") as daily:
        wait_until_locked(host.machine)

        done = host.agent("check --no-refresh --json")
        daily.kill()

    assert done.code == 10


def test_a_lock_that_a_setuid_program_holds_for_a_user_does_not_stop_an_upgrade(host: Scenario) -> None:
    """Such a program is root's by its effective id, which is the one that /proc shows first."""
    host.offer("security", package("a", "2"))
    host.configuration('[apt]\nlock_timeout = "30s"\n')
    host.machine.check(f"touch {LOCK}; chmod 644 {LOCK}")
    source = f"""exec python3 -c '
import fcntl, os, pty
held = os.open("{LOCK}", os.O_RDONLY)
fcntl.flock(held, fcntl.LOCK_EX)
os.set_inheritable(held, True)
pid, terminal = pty.fork()
if not pid: os.execv("/usr/bin/su", ["su"])
os.close(held)
os.waitpid(pid, 0)'"""
    with host.machine.start(source, user="65534") as user:
        host.machine.wait_for("su")
        wait_until_locked(host.machine)

        done = host.upgrade()
        user.kill()

    assert (done.code, done.json["result"]) == (0, "updated")
    assert done.json["lock"]["waited_s"] == 0


def test_an_unprivileged_user_cannot_block_updates(host: Scenario) -> None:
    """The lock is a file that everybody may read, and so lock."""
    host.offer("security", package("a", "2"))
    host.configuration('[apt]\nlock_timeout = "1s"\n')
    host.machine.check(f"touch {LOCK}; chmod 644 {LOCK}; mkdir -p /var/lib/maestro-agent; maestro-agent check || true")
    locks = f"{LOCK} /var/lib/maestro-agent/lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock"
    source = f"""python3 -c '
import fcntl, time
held = []
for path in "{locks}".split():
    try:
        held.append(open(path))
        fcntl.lockf(held[-1], fcntl.LOCK_SH)
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    except OSError: pass
time.sleep(60)'"""
    with host.machine.start(source, user="65534") as user:
        wait_until_locked(host.machine)

        done = host.upgrade()
        user.kill()

    assert (done.code, done.json["result"]) == (0, "updated")
    assert host.versions("a") == {"a": "2"}


def test_a_check_during_an_installation_by_another_program_reports_nothing_broken(host: Scenario) -> None:
    host.offer("security", package("a", "2", postinst="sleep 4"))
    host.machine.check("apt-get update")

    with host.machine.start("apt-get install -y a") as other:
        host.machine.wait_for("a.postinst")
        found = host.agent("check --json")
        other.communicate()

    assert (found.code, found.json["repair"], found.json["install"]) == (0, [], [])
