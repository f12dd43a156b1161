"""The daemon and its root half on a booted machine: systemd as PID 1, the built package installed with apt."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import bases
from tests.support.booted import Booted, booted
from tests.support.repository import Ready, Signer, package
from tests.support.scenario import Scenario, answer, names

pytestmark = pytest.mark.xdist_group("package")
UNIT = "maestro-agent"
SOCKET = "/run/maestro-agent-worker.sock"


@pytest.fixture
def server(deb: Path, signer: Signer) -> Iterator[Scenario]:
    """Return a booted machine with a package that has a security update, and the agent not installed yet."""
    codename = bases.codenames()[0]
    with booted(bases.base(codename, bases.BOOTED)) as running:
        host = Scenario.without_sources(running, signer, codename)
        running.path("/srv").mkdir(exist_ok=True)
        running.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
        yield host


@pytest.fixture
def machine(server: Scenario) -> Booted:
    assert isinstance(server.machine, Booted)
    return server.machine


def install(host: Scenario) -> None:
    host.machine.check("apt-get install -y /srv/maestro-agent.deb")


def wait(words: str, condition: str, machine: Booted, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while machine.run(condition).returncode:
        assert time.monotonic() < deadline, f"{words}: not after {seconds} s\n{machine.journal(UNIT)[-2000:]}"
        time.sleep(0.3)


def pid(machine: Booted) -> int:
    return int(machine.check(f"systemctl show -P MainPID {UNIT}"))


def runs(host: Scenario) -> list[str]:
    return [one["id"] for one in host.agent("history --json").json["runs"]]


def test_an_installed_agent_looks_by_itself_and_tells_everybody(server: Scenario, machine: Booted) -> None:
    server.offer("security", package("a", "2"))
    install(server)

    wait("a first look", "test -e /var/lib/maestro-agent/state.json", machine)
    wait("the end of it", "maestro-agent status --json | grep -q '\"last_exit_code\": 10'", machine)
    status = server.agent("status --json", user="65534")

    assert status.code == 10
    assert names(status.json["plan"]["install"]) == ["a"]
    assert status.json["daemon"]["alive"] is True
    assert status.json["jobs"]["upgrade"]["next_at"] is not None
    assert server.versions("a") == {"a": "1"}


def test_both_halves_are_as_tight_as_their_work_allows(server: Scenario, machine: Booted) -> None:
    install(server)

    def exposure(unit: str) -> float:
        shown = machine.run(f"systemd-analyze security --no-pager {unit}").stdout
        return float(shown.rpartition("Overall exposure level")[2].split(":")[1].split()[0])

    machine.check("systemd-run --unit=maestro-agent-worker@probe -p Type=exec true || true")
    assert exposure("maestro-agent.service") <= 2.0
    assert exposure("maestro-agent-worker@.service") <= 9.2
    assert machine.check(f"systemctl show -P User {UNIT}").strip() == "maestro-agent"
    assert machine.check(f"stat -c '%a %U' {SOCKET}").split() == ["600", "maestro-agent"]


def test_an_upgrade_that_is_asked_for_runs_in_the_root_half_and_outlives_who_asked(
    server: Scenario, machine: Booted
) -> None:
    server.offer("security", package("a", "2", postinst="sleep 4; cat /proc/self/cgroup > /cgroup"))
    install(server)

    with machine.start("exec maestro-agent upgrade --wait --json") as asking:
        wait("the job", "pgrep -f a.postinst", machine)
        machine.kill("INT", "maestro-agent upgrade")
        _, err = asking.communicate()
    wait("the end", "maestro-agent history --json | grep -q updated", machine)

    assert asking.returncode == 130
    assert "goes on without you" in err
    assert server.versions("a") == {"a": "2"}
    assert "maestro-agent-worker@" in machine.path("/cgroup").read_text()
    assert len(runs(server)) == 1


def test_a_second_asker_is_told_which_job_runs(server: Scenario, machine: Booted) -> None:
    server.offer("security", package("a", "2", postinst="sleep 6"))
    install(server)
    with machine.start("maestro-agent upgrade --wait --json") as first:
        wait("the job", "pgrep -f a.postinst", machine)

        second = server.upgrade()
        first.communicate()

    assert second.code == 5
    assert "is at work: upgrade, since 20" in second.err


def test_a_killed_daemon_comes_back_and_neither_loses_nor_repeats_a_job(server: Scenario, machine: Booted) -> None:
    server.offer("security", package("a", "2", postinst="sleep 15"))
    install(server)
    wait("the first look", "maestro-agent status --json | grep -q '\"last_exit_code\": 10'", machine)
    machine.write("/etc/maestro-agent/config.toml", f'[agent]\nupgrade_at = "{soon(machine)}"\nsplay = "0s"\n')
    machine.check(f"systemctl reload {UNIT}")
    wait("the scheduled job", "pgrep -f a.postinst", machine, 150)
    before = pid(machine)

    machine.check(f"kill -9 {before}")
    wait("the end of the job", "maestro-agent history --json | grep -q updated", machine)
    wait("the daemon", f"test $(systemctl show -P MainPID {UNIT}) -gt 1", machine)
    time.sleep(35)  # a tick of the new daemon

    assert pid(machine) != before
    assert server.versions("a") == {"a": "2"}
    assert len(runs(server)) == 1
    assert server.agent("status --json").json["jobs"]["upgrade"]["next_at"] is not None


def soon(machine: Booted) -> str:
    """Return a local time of day that has just passed, so that its job is due at once."""
    return machine.check("date -d '-30 seconds' +%H:%M").strip()


def test_a_job_whose_process_is_killed_is_told_as_interrupted_and_the_next_one_goes_on(
    server: Scenario, machine: Booted
) -> None:
    server.offer("security", package("a", "2", postinst="sleep 5"), package("b", "2"))
    install(server)
    with machine.start("maestro-agent upgrade --wait --json") as asking:
        wait("the job", "pgrep -f a.postinst", machine)
        machine.check("pkill -9 -f libexec/maestro-agent/worker")
        _, err = asking.communicate()
    wait("dpkg's end", "! pgrep -x dpkg", machine)

    done = server.upgrade("--wait")

    assert asking.returncode == 1
    assert "ended without an answer" in err
    assert [one["result"] for one in server.agent("history --json").json["runs"]][-1] == "interrupted"
    assert done.code == 0
    assert server.versions("a", "b") == {"a": "2", "b": "2"}
    assert machine.check("dpkg --audit") == ""


def test_a_frozen_daemon_is_ended_by_its_watchdog_and_started_again(server: Scenario, machine: Booted) -> None:
    install(server)
    before = pid(machine)

    machine.check(f"kill -STOP {before}")
    wait("another daemon", f"p=$(systemctl show -P MainPID {UNIT}); test $p -gt 1 -a $p -ne {before}", machine, 180)

    assert "atchdog" in machine.check(f"journalctl --no-pager -u {UNIT}")


def test_a_wrong_configuration_is_refused_at_a_reload_and_ends_a_start(server: Scenario, machine: Booted) -> None:
    install(server)
    machine.write("/etc/maestro-agent/config.toml", "[agent]\nnonsense = 1\n")

    machine.check(f"systemctl reload {UNIT}")
    wait("a word on it", f"systemctl show -P StatusText {UNIT} | grep -q 'the old one stays'", machine)
    kept = pid(machine)
    machine.run(f"systemctl restart {UNIT}")
    wait("the end", f"test $(systemctl show -P ActiveState {UNIT}) = failed", machine)

    assert kept > 1
    assert machine.check(f"systemctl show -P ExecMainStatus {UNIT}").strip() == "78"
    assert "nonsense" in machine.journal(UNIT)


STRANGER = """/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c '
import socket
s = socket.socket(socket.AF_UNIX); s.connect("/run/maestro-agent-worker.sock")'"""
FORGED = """python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect("/run/maestro-agent-worker.sock"); s.settimeout(20)
{how}
print(s.recv(4096).decode())'"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ('s.sendall(b"x" * 100000 + b"\\n")', "longer than 4096 bytes"),
        ('s.sendall(b"{}")', "not complete after 5 s"),
        ('s.sendall(b"rubbish\\n")', "request: Expecting value"),
        ('s.sendall(b"{\\"schema\\": \\"maestro.request/2\\"}\\n")', "is not known here"),
        ('s.sendall(b"[" * 4000 + b"\\n")', "request: "),
    ],
)
def test_nobody_gets_anything_out_of_the_door_but_the_closed_list(
    server: Scenario, machine: Booted, how: str, said: str
) -> None:
    install(server)

    stranger = machine.run(STRANGER)
    machine.check(f"chmod 666 {SOCKET}")
    behind_an_open_door = machine.run(
        STRANGER.replace("s.connect", "s.settimeout(20); s.connect")[:-1] + "; print(s.recv(9))'"
    )
    forged = machine.run(FORGED.format(how=how))

    assert "PermissionError" in stranger.stderr
    assert behind_an_open_door.stdout.strip() == "b''"
    assert said in forged.stdout, forged
    assert pid(machine) > 1
    assert runs(server) == []


def test_the_agent_upgrades_itself_in_a_run_that_goes_on(server: Scenario, machine: Booted, deb: Path) -> None:
    from_version = machine.check("dpkg-deb -f /srv/maestro-agent.deb Version").strip()
    newer = Ready(name="maestro-agent", version=f"{from_version}+test", architecture="all", deb=deb)
    shaken = package("a", "2", postinst="systemctl daemon-reexec; systemctl restart maestro-agent; sleep 1")
    server.install(package("a", "1"), package("z", "1"))
    server.repository("security", newer, shaken, package("z", "2", postinst="sleep 1"))
    install(server)
    before = pid(machine)

    done = server.agent("upgrade --wait --json")

    assert (done.code, done.json["result"]) == (0, "updated")
    assert server.versions("maestro-agent", "a", "z") == {"maestro-agent": f"{from_version}+test", "a": "2", "z": "2"}
    assert len(runs(server)) == 1
    wait("the new daemon", f"test $(systemctl show -P ActiveState {UNIT}) = active", machine)
    assert pid(machine) != before


def test_a_purged_agent_leaves_nothing(server: Scenario, machine: Booted) -> None:
    install(server)
    wait("a first look", "test -e /var/lib/maestro-agent/state.json", machine)

    machine.check("apt-get remove -y maestro-agent")
    stopped = machine.run("pgrep -f 'maestro-agent run'").returncode
    machine.check("apt-get purge -y maestro-agent")

    assert stopped == 1
    traces = "find / -xdev -name '*maestro*' -not -path '/srv/*' -not -path '/proc/*' -not -path '/var/lib/apt/*'"
    assert machine.check(f"{traces} -not -path '/var/log/*' -not -path '/tmp/*' -not -path '/var/tmp/*'") == ""
    assert machine.run("getent passwd maestro-agent").returncode == 2


def test_a_reboot_ends_nothing_that_is_on_record(server: Scenario, machine: Booted) -> None:
    server.offer("security", package("a", "2"))
    install(server)
    done = answer(machine.run("maestro-agent upgrade --wait --json"))

    machine.reboot()
    wait("the daemon", f"systemctl is-active -q {UNIT}", machine)

    assert json.loads(done.out)["result"] == "updated"
    assert runs(server) == [done.json["id"]]
    assert server.agent("status").code in {0, 10}
