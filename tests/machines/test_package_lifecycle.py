"""The package and its units on a booted machine: the autopkgtest scripts pass, and nothing stops a running job."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.schedule.slots import stable_fraction
from tests.conftest import CHECKOUT
from tests.support import bases
from tests.support.booted import Booted, booted
from tests.support.held import held_until
from tests.support.recorded import put_off
from tests.support.repository import Signer, package
from tests.support.scenario import Scenario

pytestmark = pytest.mark.xdist_group("booted-6")
UNIT = "maestro-agent"
JOBS = "maestro-agent-worker@*.service"


@pytest.fixture
def server(deb: Path, signer: Signer) -> Iterator[Scenario]:
    """Return a booted machine with the agent installed; its share of every splay is small, so that it looks at once."""
    codename = bases.codenames()[0]
    with booted(bases.base(codename, bases.BOOTED)) as running:
        host = Scenario.without_sources(running, signer, codename)
        hasty = next(
            name for name in (f"{number:032x}" for number in range(10000)) if stable_fraction(name, "retry") < 0.01
        )
        running.write("/etc/machine-id", f"{hasty}\n")
        running.check("systemctl restart systemd-journald")  # its files lie below that name
        running.path("/srv").mkdir(exist_ok=True)
        running.path("/srv/maestro-agent.deb").write_bytes(deb.read_bytes())
        put_off(running)
        running.check("apt-get install -y /srv/maestro-agent.deb")
        yield host


@pytest.fixture
def machine(server: Scenario) -> Booted:
    assert isinstance(server.machine, Booted)
    return server.machine


def wait(condition: str, machine: Booted, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while machine.run(condition).returncode:
        assert time.monotonic() < deadline, f"{condition}: not after {seconds} s\n{machine.journal(UNIT)[-2000:]}"
        time.sleep(0.2)


def upgrading(server: Scenario, machine: Booted) -> "subprocess.Popen[str]":
    """Begin an upgrade, and return once a maintainer script is at work that waits for /go."""
    server.offer("security", package("a", "2", postinst=held_until("/go")))
    asking = machine.start("maestro-agent upgrade --wait --json")
    wait("pgrep -f '[a].postinst'", machine)
    return asking


def outcome(server: Scenario) -> tuple[list[str], str | None]:
    runs = server.agent("history --json").json["runs"]
    return [run["result"] for run in runs], server.machine.version("a")


def test_the_autopkgtest_scripts_pass(machine: Booted) -> None:
    for name in ("installed", "daemon"):
        machine.path(f"/srv/{name}").write_bytes((CHECKOUT / "debian/tests" / name).read_bytes())

        done = machine.run(f"mkdir -p /srv/adt; sh /srv/{name} 2>&1", AUTOPKGTEST_TMP="/srv/adt")

        assert done.returncode == 0, done.stdout


def test_units_verify(machine: Booted) -> None:
    units = ("maestro-agent.service", "maestro-agent-worker.socket", "maestro-agent-worker@probe.service")

    done = [machine.run(f"systemd-analyze --man=no verify {unit}") for unit in units]

    assert [(one.returncode, one.stdout + one.stderr) for one in done] == [(0, "")] * len(units)


PROBES = r"""
may() { name=$1; shift; "$@" >/dev/null 2>&1 && echo "$name"; }
may become-another su -s /bin/sh nobody -c true
may setuid sh -c 'cp /usr/bin/id /root/id; chown 1 /root/id; chmod 4755 /root /root/id
    [ "$(setpriv --reuid=65534 --regid=65534 --clear-groups /root/id -u)" = 1 ]'
may file-capabilities /usr/bin/python3 -c 'import os
os.setxattr("/root/id", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))'
may unshare-mounts unshare -m true
may unshare-network unshare -n true
may unshare-user unshare -r true
may chroot chroot / true
may mount sh -c 'mkdir -p /mnt/p; mount -t tmpfs p /mnt/p && umount /mnt/p'
may device-nodes sh -c 'rm -f /root/null; mknod /root/null c 1 3'
may sysctl sh -c 'cat /proc/sys/net/ipv4/ip_forward >/proc/sys/net/ipv4/ip_forward'
may packet-sockets /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'
may netlink /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)'
may compile-as-it-runs /usr/bin/python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'
may personality setarch -R true
may hostname sh -c 'hostname "$(hostname)"'
may priority nice -n -5 true
may immutable sh -c 'touch /root/c; chattr +i /root/c; chattr -i /root/c'
may write-anywhere touch /usr/p /boot/p /root/p /etc/p /dev/p
may see-processes readlink /proc/1/exe
may enter-namespaces nsenter -t 1 -m true
may ask-systemd systemctl daemon-reload
may realtime chrt -f 5 true
may trace /usr/bin/python3 -c 'import ctypes; assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0'
true
"""


def test_maintainer_scripts_in_a_job_lack_only_the_documented_privileges(server: Scenario, machine: Booted) -> None:
    machine.write("/srv/probes", PROBES)
    server.offer("security", package("a", "2", postinst="sh /srv/probes >/srv/in-a-job"))

    anywhere = machine.check("systemd-run -q --wait --pipe sh /srv/probes").split()
    done = server.agent("upgrade --wait --json")

    assert done.json["result"] == "updated"
    assert len(anywhere) > 18
    assert set(anywhere) - set(machine.path("/srv/in-a-job").read_text().split()) == {"realtime", "trace"}


def test_no_restart_of_a_unit_stops_a_job(server: Scenario, machine: Booted) -> None:
    with upgrading(server, machine) as asking:
        machine.check(f"sh /var/lib/dpkg/info/maestro-agent.postinst configure 0.0.1; systemctl is-active '{JOBS}'")
        refused = machine.run(f"systemctl restart '{JOBS}'")
        machine.check("systemctl daemon-reexec; systemctl stop maestro-agent-worker.socket")
        wait("systemctl is-active maestro-agent-worker.socket", machine)
        machine.check("systemctl isolate rescue.target")
        machine.write("/go", "")
        out, err = asking.communicate()

    assert refused.returncode != 0
    assert "may be requested by dependency only" in refused.stderr
    assert asking.returncode == 0, out + err
    assert outcome(server) == (["updated"], "2")


def test_a_reboot_waits_for_the_running_transaction(server: Scenario, machine: Booted) -> None:
    # Asked for from inside: nsenter(1) would be stopped with what it watches, and never go on.
    server.offer("security", package("a", "2", postinst="sleep 8"))
    machine.check("systemd-run -q maestro-agent upgrade --wait")
    wait("pgrep -f '[a].postinst'", machine)

    # Since 257 logind refuses an ordinary one, as apt has asked it to; this is what somebody gets who insists.
    machine.check("systemctl start --no-block --job-mode=replace-irreversibly reboot.target")
    machine.reboot()

    assert outcome(server) == (["updated"], "2")
    assert machine.check("dpkg --audit") == ""


def test_a_check_ends_with_the_package_and_leaves_nothing(server: Scenario, machine: Booted) -> None:
    server.offer("security", package("a", "2"))
    lock = "/var/lib/apt/daily_lock"
    with contextlib.ExitStack() as stack:
        stack.enter_context(machine.start(f"flock {lock} sleep 600"))
        wait(f"test -e {lock} && ! flock -n {lock} true", machine)
        asking = stack.enter_context(machine.start("maestro-agent check --wait"))
        wait(f"systemctl is-active '{JOBS}'", machine)
        machine.check("mkdir -p /usr/share/maestro-agent/agent/host/gone/__pycache__")
        machine.write("/usr/share/maestro-agent/agent/host/gone/__pycache__/old.cpython-311.pyc", "")

        machine.check("apt-get purge -y maestro-agent", timeout=300)
        asking.communicate()
        left = machine.run(f"systemctl is-active '{JOBS}'").stdout
        machine.run(f"fuser -k {lock} || pkill -f 'sleep 600'")

    assert left == ""
    traces = "find /etc /usr /var /run -xdev -name '*maestro*' -not -path '/var/log/*' -not -path '/var/lib/apt/*'"
    assert machine.check(f"{traces} -not -path '/var/tmp/*'") == ""
