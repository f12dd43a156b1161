"""The gates of a reboot on a booted machine: each one closes alone and is named by `explain reboot`.

The tests share one machine, which is put back before each of them. The last one reboots it.
With MAESTRO_TEST_RELEASES="bookworm trixie forky" on systemd 252, 257 and 262.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.reboot.gates import RebootGate
from tests.support import bases
from tests.support.booted import booted
from tests.support.once import once
from tests.support.recorded import UNIT, Kept, install_layer, stop_daemon
from tests.support.repository import Signer, package

pytestmark = pytest.mark.xdist_group("booted-reboots")
Layers = tuple[Path, ...]
LOGINS = (*bases.BOOTED, "libpam-systemd", "openssh-client", "openssh-server")
"""A server on which people can log in."""
WINDOW = "/etc/maestro-agent/config.d/20-reboot.toml"
_ALWAYS = '[reboot]\npolicy = "window"\nwindow = "any"\n[windows]\nany = "daily 00:00-24:00"\n'
_HOST = """
import json, sys
from datetime import datetime, timedelta, timezone
sys.path.insert(0, "/usr/share/maestro-agent")
from agent.errors import HostError
from agent.host.logind import logind_state
from agent.host.machine.boot_id import boot_id
from agent.host.reboot.actions import LocalRebootHost
from agent.state.store import Store
host = LocalRebootHost(Store(), boot_id=boot_id(), hook_limit=timedelta(seconds=5))
"""
_STARTED = "asked blocker delays fails holder job login plain"
"""The units that tests start."""
_SSH = "ssh -q -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i /root/key"


@pytest.fixture(scope="session")
def login_layers(booted_codename: str, deb: Path, signer: Signer) -> Layers:
    """Return the layers of a machine with the agent and an ssh server."""
    below = (bases.base(booted_codename, LOGINS),)

    def make(directory: Path) -> None:
        install_layer(booted_codename, deb, signer, directory / "layer", below=below)

    return once(f"logins-{booted_codename}", make) / "layer", *below


@contextlib.contextmanager
def _login_machine(codename: str, layers: Layers, signer: Signer) -> Iterator[Kept]:
    with booted(*layers) as running:
        running.write(WINDOW, _ALWAYS)
        running.check(
            "ssh-keygen -q -t ed25519 -N '' -f /root/key && useradd -m bob && mkdir -p /root/.ssh /home/bob/.ssh && "
            "cat /root/key.pub > /root/.ssh/authorized_keys && cp /root/key.pub /home/bob/.ssh/authorized_keys && "
            "chown -R bob /home/bob/.ssh && chmod 700 /root/.ssh /home/bob/.ssh"
        )
        yield Kept(running, signer, codename)


@pytest.fixture
def login_machine(booted_codename: str, login_layers: Layers, signer: Signer) -> Iterator[Kept]:
    """Return a machine for one test alone; users root and bob may log in with /root/key."""
    with _login_machine(booted_codename, login_layers, signer) as kept:
        yield kept


@pytest.fixture(scope="module")
def _one_machine(booted_codename: str, login_layers: Layers, signer: Signer) -> Iterator[Kept]:
    with _login_machine(booted_codename, login_layers, signer) as kept:
        yield kept


@pytest.fixture
def server(_one_machine: Kept) -> Kept:
    """Return the machine of all tests, whose daemon is stopped, without what an earlier test has left: all is open."""
    machine = _one_machine.machine
    stop_daemon(machine)
    machine.run(f"systemctl stop {_STARTED}; systemctl reset-failed {_STARTED}; shutdown -c; rm -f /srv/seen")
    machine.write(WINDOW, _ALWAYS)
    # A command without a terminal outlives its connection, and its session is there as long as it.
    ended = "systemctl stop 'session-*.scope'; ! loginctl list-sessions --no-legend | grep -q ."
    _one_machine.wait("no session", ended)
    assert machine.check("systemctl --failed --no-legend; systemd-inhibit --list --no-legend") == ""
    assert closed(_one_machine) == {}
    return _one_machine


def gates(kept: Kept, *, user: str | None = None) -> dict[str, Any]:
    document = kept.agent("explain reboot --json", user=user).json
    return {gate["gate"]: gate for gate in document["gates"]}


def closed(kept: Kept) -> dict[str, str]:
    """Return the reason code of each gate that is closed or unknown."""
    return closed_of(gates(kept))


def closed_of(found: dict[str, Any]) -> dict[str, str]:
    shut = {"shut", "unknown"}
    return {name: gate["why"] for name, gate in found.items() if gate["verdict"] in shut and name != "required"}


def act(kept: Kept, code: str) -> str:
    """Run code with `host`, the adapter of this machine."""
    done = kept.python(_HOST + code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_gate_is_named_and_all_are_open_on_a_quiet_machine(server: Kept) -> None:
    server.machine.check(f"systemctl start {UNIT}")
    server.wait_for_daemon()
    found = gates(server)

    assert list(found) == ["required", *(gate.value for gate in RebootGate)]
    assert closed(server) == {}
    assert {gate["verdict"] for name, gate in found.items() if name != "required"} == {"open"}


def test_policy_and_window_close_alone(server: Kept) -> None:
    elsewhere = f"{datetime.now(timezone.utc) + timedelta(days=2):%a} 00:00-24:00 UTC"
    server.machine.write(WINDOW, _ALWAYS.replace("daily 00:00-24:00", elsewhere))
    outside = gates(server)["window"]
    outside_alone = closed(server)
    server.machine.write(
        WINDOW, f"{_ALWAYS}[agent]\nupgrade = false\n".replace('"any"\n[', '"any"\nnot_before = "2099-01-01"\n[')
    )
    held = closed(server)
    server.machine.write(WINDOW, "")

    assert (outside_alone, outside["until"] is not None) == ({"window": "outside-window"}, True)
    assert held == {"window": "outside-window"}
    assert closed(server) == {"policy": "policy-never"}


def test_an_inhibitor_closes_its_gate_and_stops_the_reboot_where_systemd_enforces_it(server: Kept) -> None:
    inhibit = "systemd-inhibit --what=shutdown --mode=block --who=backup --why='a backup' sleep 600"
    server.machine.check(f"systemd-run -q --unit=blocker {inhibit}")
    server.wait("the inhibitor", "systemd-inhibit --list --no-legend | grep -q backup")
    blocked = gates(server)["inhibited"]
    alone = closed(server)
    refused = ""
    if server.codename != "bookworm":  # systemd 252 ignores it for root: the gate alone stops the reboot there
        refused = act(server, "try:\n    host.reboot()\nexcept HostError as error:\n    print(error)\n")
    server.machine.check("systemctl stop blocker")

    assert alone == {"inhibited": "inhibited"}
    assert "backup" in blocked["reason"]
    assert "a backup" in blocked["reason"]
    assert server.codename == "bookworm" or "enied" in refused
    assert closed(server) == {}


@pytest.mark.parametrize("mode", ["delay", "block-weak"])
def test_what_only_delays_a_shutdown_closes_nothing(server: Kept, mode: str) -> None:
    if mode == "block-weak" and server.codename == "bookworm":
        pytest.skip("systemd 252 does not know it")
    server.machine.check(
        f"systemd-run -q --unit=delays systemd-inhibit --what=shutdown --mode={mode} --who=soft sleep 600"
    )
    server.wait("the inhibitor", "systemd-inhibit --list --no-legend | grep -q soft")

    assert closed(server) == {}


def test_a_shutdown_that_somebody_scheduled_closes_its_gate_until_then(server: Kept) -> None:
    server.machine.check("shutdown -P +40")
    found, alone = gates(server)["scheduled-by-other"], closed(server)
    server.machine.check("shutdown -c")

    assert alone == {"scheduled-by-other": "scheduled-by-other"}
    assert "poweroff" in found["reason"]
    assert found["until"] is not None
    assert closed(server) == {}


def test_a_reboot_at_logind_is_visible_read_back_and_cancelled_only_if_it_is_still_the_own_one(server: Kept) -> None:
    shown = act(
        server,
        """
at = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(minutes=30)
host.schedule(at)
first = logind_state().scheduled
import subprocess
seen = subprocess.run(["shutdown", "--show"], capture_output=True, text=True)
host.cancel(at)
gone = logind_state().scheduled
host.schedule(at)
subprocess.run(["shutdown", "-P", "+40"], check=True, capture_output=True)
host.cancel(at)
other = logind_state().scheduled
print(json.dumps([first.kind, first.at == at, "Reboot scheduled" in seen.stdout + seen.stderr, gone, other.kind]))
""",
    )

    assert json.loads(shown) == ["reboot", True, True, None, "poweroff"]


def test_logged_in_users_close_their_gate_and_read_the_message(server: Kept) -> None:
    log_in = f"systemd-run -q --unit=login --collect script -qfc \"{_SSH} -tt bob@127.0.0.1 'sleep 600'\" /srv/seen"
    server.machine.check(log_in)
    server.wait("the session", "loginctl list-sessions --no-legend | grep -q bob")
    found, alone = gates(server)["sessions"], closed(server)
    by_user = gates(server, user="bob")["sessions"]
    act(server, "host.wall('this machine reboots at noon')\n")
    server.wait("the message", "grep -q 'this machine reboots at noon' /srv/seen")
    server.machine.check("systemctl stop login")
    server.wait("no session", "! loginctl list-sessions --no-legend | grep -q bob")

    assert alone == {"sessions": "sessions"}
    assert "bob" in found["reason"]
    assert "127.0.0.1" in found["reason"]
    assert by_user["verdict"] == "shut"
    assert closed(server) == {}


@pytest.mark.parametrize("who", ["root", "bob"])
def test_a_login_without_a_terminal_counts_and_a_timer_or_service_does_not(server: Kept, who: str) -> None:
    server.machine.check("systemd-run -q --unit=job -p PAMName=login -p User=bob sleep 600")
    server.machine.check("systemd-run -q --unit=plain -p User=bob sleep 600")
    time.sleep(1)
    before = closed(server)
    server.machine.check(f"systemd-run -q --unit=login --collect {_SSH} {who}@127.0.0.1 'sleep 600'")
    server.wait("the session", "loginctl list-sessions --no-legend | grep -qv background")
    server.wait("its user", f"maestro-agent explain reboot | grep -q 'logged in: {who}'")

    assert before == {}
    assert closed(server) == {"sessions": "sessions"}


def test_root_at_a_terminal_counts(server: Kept) -> None:
    """systemd 256 and later give it a class of its own, "user-early"."""
    server.machine.check(
        f"systemd-run -q --unit=login --collect script -qfc \"{_SSH} -tt root@127.0.0.1 'sleep 600'\" /srv/seen"
    )
    server.wait("the session", "maestro-agent explain reboot | grep -q 'logged in: root'")

    assert closed(server) == {"sessions": "sessions"}


def test_a_reboot_that_waits_for_users_asks_them_and_is_stopped_by_cancel(server: Kept) -> None:
    server.machine.check(f"systemctl start {UNIT}")
    server.wait_for_daemon()
    leader = server.machine.leader
    server.machine.check(
        f"systemd-run -q --unit=login --collect script -qfc \"{_SSH} -tt bob@127.0.0.1 'sleep 600'\" /srv/seen"
    )
    server.wait("the session", "maestro-agent explain reboot | grep -q 'logged in: bob'")

    server.machine.check("systemd-run -q --unit=asked maestro-agent reboot --yes")
    server.wait("the message", "grep -q 'Please log out' /srv/seen")
    shown = server.machine.check("maestro-agent status | grep ^Running")
    cancelled = server.agent("reboot --cancel")
    server.wait_for_idle()
    last = server.agent("history last --json").json
    print(server.machine.path("/srv/seen").read_text(), shown, cancelled.out, server.agent("history last").out)

    assert cancelled.code == 0
    assert "asked to stop" in cancelled.out
    assert (last["result"], last["fired_at"]) == ("interrupted", None)
    assert server.machine.leader == leader
    assert server.machine.run("systemctl is-system-running").stdout.strip() in {"running", "degraded"}


def test_a_failed_upgrade_and_what_dpkg_left_unfinished_close_their_gates(server: Kept) -> None:
    server.have(package("a", "2", postinst="exit 1"))
    server.agent("upgrade")
    both = gates(server)
    server.machine.check("sed -i 's/exit 1/exit 0/' /var/lib/dpkg/info/a.postinst && dpkg --configure -a")
    alone = closed(server)
    server.agent("upgrade")

    assert (both["last-run"]["why"], both["dpkg"]["why"]) == ("run-failed", "dpkg-unfinished")
    assert "a" in both["dpkg"]["reason"]
    assert alone == {"last-run": "run-failed"}
    assert closed(server) == {}


def test_pending_triggers_alone_are_unfinished_work(server: Kept) -> None:
    pending = r"s/^Status: .*/Status: install ok triggers-pending\nTriggers-Pending: ldconfig/"
    server.machine.check(f"sed -i '/^Package: libc-bin$/,/^$/{pending}' /var/lib/dpkg/status")
    audit = server.machine.check("dpkg --audit")
    before = closed(server)
    server.machine.check("dpkg --configure -a")

    assert "libc-bin" in audit
    assert before == {"dpkg": "dpkg-unfinished"}
    assert closed(server) == {}


def test_a_package_manager_at_work_closes_its_gate(server: Kept) -> None:
    hold = "import apt_pkg, time; apt_pkg.init(); apt_pkg.pkgsystem_lock(); time.sleep(600)"
    server.machine.check(f"systemd-run -q --unit=holder python3 -c '{hold}'")
    server.wait("the lock", "maestro-agent explain reboot | grep -q 'holds /var/lib/dpkg/lock'")

    assert closed(server) == {"job-running": "job-running"}
    assert gates(server, user="bob")["job-running"]["verdict"] == "unknown"


@pytest.mark.parametrize("how", ["logind", "dbus"])
def test_without_logind_nobody_can_hold_a_reboot_up_and_without_its_answer_everybody_does(
    server: Kept, how: str
) -> None:
    if how == "dbus":
        server.machine.check("mv /usr/bin/busctl /usr/bin/busctl.gone")
        server.machine.write("/usr/bin/busctl", "#!/bin/sh\nsleep 600\n", mode=0o755)
        three = {"sessions": "sessions", "inhibited": "inhibited", "scheduled-by-other": "scheduled-by-other"}
        found = gates(server)
        server.machine.check("mv /usr/bin/busctl.gone /usr/bin/busctl")
        assert closed_of(found) == three
        assert {found[name]["verdict"] for name in three} == {"unknown"}
        return
    server.machine.check("systemctl mask -q --now systemd-logind.service")
    gone, reason = closed(server), gates(server)["inhibited"]["reason"]
    server.machine.check("systemctl unmask -q systemd-logind.service && systemctl start systemd-logind.service")

    assert gone == {}
    assert reason == "logind does not run"


def test_the_machine_reboots_through_logind_and_its_boot_is_another_one(server: Kept) -> None:
    before = act(server, "print(host.boot(), host.stopping(), host.failed_units())\n")
    server.machine.check("systemd-run -q --unit=fails false")
    server.wait("it has failed", "systemctl is-failed -q fails")
    failed = act(server, "print(host.failed_units())\n")
    server.python(_HOST + "host.reboot()\n")
    server.machine.follow_reboot(server.machine.leader)
    after = act(server, "print(host.boot(), host.wait_until_started(timedelta(seconds=60)), host.failed_units())\n")

    assert "fails.service" in failed
    assert before.split()[0] != after.split()[0]
    assert "False ()" in before
    assert "datetime" not in after
    assert "()" in after
