"""The distribution's daily job beside the agent, with the real package on booted machines: one daily patcher."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.unattended_upgrades.settings import parse_every
from agent.errors import ExitCode
from tests.core.unattended_upgrades.test_settings import INTERVALS
from tests.support import bases
from tests.support.booted import booted
from tests.support.machine import machine
from tests.support.recorded import SOCKET, UNIT, Kept, installed_layer
from tests.support.repository import Signer, package
from tests.support.scenario import Answer, Scenario

pytestmark = pytest.mark.xdist_group("booted-7")
PEER = (*bases.BOOTED, "unattended-upgrades")
TIMER = "apt-daily-upgrade.timer"
DROP_IN = "/etc/maestro-agent/config.d/20-mode.toml"
THEIRS = "unattended-upgrades"
MASKED = ("masked", "inactive", "masked")
OWN = "/etc/apt/apt.conf.d/52maestro-agent-daily-job"
_ASK = r"""
. /srv/check_stamp
UnattendedUpgradeInterval=0
eval "$1"
[ $UnattendedUpgradeInterval = always ] || { [ $UnattendedUpgradeInterval = 0 ] && exit 3; }
check_stamp /srv/old $UnattendedUpgradeInterval
"""
"""What apt.systemd.daily does with the value, in its words."""
_REQUEST = f"""
import json, socket
request = dict.fromkeys(("plan_id",)) | {{
    "schema": "maestro.job-request/1", "job": "JOB", "scope": "security", "refresh": True,
    "wait": False, "omit_document": True, "requested_by": "schedule",
}}
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect("{SOCKET}")
    peer.sendall(json.dumps(request).encode() + b"\\n")
    print(peer.makefile().read().splitlines()[-1])
"""
"""As the daemon sends it."""


@pytest.mark.every_release
def test_intervals_are_read_as_the_script_of_apt_reads_them(codename: str) -> None:
    with machine(bases.base(codename, bases.BOOTED)) as running:
        running.check("sed -n '/^check_stamp()/,/^}/p' /usr/lib/apt/apt.systemd.daily >/srv/check_stamp")
        running.check("echo 'debug_echo() { :; }' >>/srv/check_stamp; touch -d '6 years ago' /srv/old")
        running.write("/srv/ask", _ASK)
        found = {
            text: running.run(f"sh /srv/ask \"UnattendedUpgradeInterval='{text}'\"").returncode == 0
            for text in INTERVALS
        }

    assert found == {text: parse_every(text) is not None for text in INTERVALS}


@pytest.fixture(scope="module")
def beside(
    booted_codename: str, deb: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, ...]]:
    """Return the layers of a machine that has unattended-upgrades, and then got the agent."""
    base = bases.base(booted_codename, PEER)
    with installed_layer(booted_codename, deb, signer, tmp_path_factory.mktemp("beside"), on=(base,)) as layers:
        yield layers


@pytest.fixture
def kept(beside: tuple[Path, ...], booted_codename: str, signer: Signer) -> Iterator[Kept]:
    with booted(*beside) as running:
        yield Kept(running, signer, booted_codename)


class Days:
    """Days on a machine: each timer that would elapse starts its service, and the daemon's user sends its request."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._number = 1
        kept.have(package("a", "2"))

    def patchers(self) -> list[str]:
        """Let a day pass on which a security update appears; return who installed it, by apt's history."""
        kept, self._number = self._kept, self._number + 1
        kept.offer_more(package("a", str(self._number)))
        before = kept.machine.run("grep -c Commandline: /var/log/apt/history.log").stdout.strip() or "0"
        kept.machine.check("rm -f /var/lib/apt/periodic/*")
        kept.machine.check("apt-get -q update")
        first = self._number % 2 == 0
        steps = (self._theirs, self._ours) if first else (self._ours, self._theirs)
        for step in steps:
            step()
        log = kept.machine.path("/var/log/apt/history.log")
        text = log.read_text() if log.exists() else ""
        assert kept.machine.version("a") == str(self._number)
        return [
            "agent" if "maestro-agent" in line else "unattended-upgrades" if "/unattended-upgrade" in line else line
            for line in [line for line in text.splitlines() if line.startswith("Commandline:")][int(before) :]
        ]

    def _theirs(self) -> None:
        if self._kept.machine.run(f"systemctl is-active -q {TIMER}").returncode == 0:
            # Days are seconds apart here: systemd would refuse the sixth start in ten seconds.
            service = "apt-daily-upgrade.service"
            self._kept.machine.check(f"systemctl reset-failed {service}; systemctl start {service}")

    def _ours(self) -> None:
        """Send what the daemon sends, whatever it would send by its record; nothing once the agent is removed."""
        if not self._kept.machine.path(SOCKET).exists():
            return
        assert request(self._kept, "upgrade") in {0, 2, 10}


def request(kept: Kept, job: str) -> int:
    """Send a request of the daemon's user; return its exit code, 2 if the configuration schedules no such job."""
    kept.wait_for_idle()
    answer = json.loads(kept.python(_REQUEST.replace("JOB", job), user="maestro-agent").stdout)
    return int(answer["exit_code"])


def configure(kept: Kept, mode: str) -> None:
    kept.machine.write(DROP_IN, f'[unattended_upgrades]\nmode = "{mode}"\n')
    kept.machine.check(f"systemctl reload {UNIT}")


def daily_job(kept: Kept) -> Any:
    return kept.agent("unattended-upgrades --json").json


def timer(kept: Kept) -> tuple[str, ...]:
    shown = kept.machine.check(f"systemctl show -P LoadState -P ActiveState -P UnitFileState {TIMER}")
    return tuple(shown.split())


def modes(kept: Kept, days: Days, length: int) -> dict[str, list[list[str]]]:
    """Have each mode for some days, and return who patched on each of them."""
    found = {"coexist": [days.patchers() for _ in range(length)]}
    for mode in ("replace", "delegate", "replace", "coexist"):
        configure(kept, mode)
        found[f"{mode}-{len(found)}"] = [days.patchers() for _ in range(length)]
    kept.machine.check("systemctl disable --now apt-daily-upgrade.timer")
    found["coexist-off"] = [days.patchers() for _ in range(length)]
    return found


def test_each_mode_is_entered_and_left_with_exactly_one_daily_patcher(kept: Kept) -> None:
    length = 7 if bases.thorough() else 1
    theirs, own = [["unattended-upgrades"]] * length, [["agent"]] * length

    days = Days(kept)
    found = modes(kept, days, length)
    others, left = kept.agent("history --json").json["others"], timer(kept)
    kept.machine.check(f"systemctl enable --now {TIMER}")
    configure(kept, "replace")
    kept.wait_for_idle()
    kept.machine.check("apt-get remove -y maestro-agent")
    found["removed"] = [days.patchers() for _ in range(length)]

    assert found == {
        "coexist": theirs,
        "replace-1": own,
        "delegate-2": theirs,
        "replace-3": own,
        "coexist-4": theirs,
        "coexist-off": own,
        "removed": theirs,
    }
    # Days are minutes apart here, so that those that follow each other are one run of theirs.
    assert sum(len(other["changes"]) for other in others) == 3 * length
    assert (left, timer(kept)) == (("loaded", "inactive", "disabled"), ("loaded", "active", "enabled"))
    assert kept.machine.run("systemctl --failed --no-legend").stdout == ""


def switch(kept: Kept, arguments: str) -> Answer:
    """Run the command once no job of the daemon is at work, such as a check after a change of packages."""
    for _ in range(10):
        kept.wait_for_idle()
        done = kept.agent(f"unattended-upgrades {arguments}")
        if done.code != ExitCode.BUSY:
            break
    return done


def test_commands_switch_the_job_and_the_removal_of_the_agent_puts_it_back(kept: Kept) -> None:
    before, stood_up = daily_job(kept), timer(kept)
    kept.wait_for_daemon()
    kept.wait("the daemon stands aside", "! grep -q '\"upgrade\"' /run/maestro-agent/daemon.json")
    automatic = kept.status()["automatic"]["state"]
    anybody = kept.agent("unattended-upgrades", user="65534")
    refused = kept.agent("unattended-upgrades disable", user="maestro-agent").code
    assert switch(kept, "disable").code == 0
    disabled, stood_down, status = daily_job(kept), timer(kept), kept.status()
    kept.machine.check(f"systemctl unmask {TIMER} && systemctl start {TIMER}")
    unmasked = daily_job(kept)
    assert switch(kept, "enable").code == 0
    enabled = daily_job(kept)
    kept.machine.write("/etc/apt/apt.conf.d/60owner", '#clear APT::Periodic;\nAPT::Periodic::Enable "0";\n')
    kept.machine.check(f"systemctl disable --now apt-daily.timer {TIMER}")
    nothing = daily_job(kept)
    failed = switch(kept, "enable --json")
    assert failed.code == 1, failed
    kept.machine.check("rm /etc/apt/apt.conf.d/60owner")
    own = kept.machine.path(OWN).read_text()
    configure(kept, "replace")
    kept.machine.check(f"systemctl unmask {TIMER} && systemctl enable --now {TIMER}")
    checked = request(kept, "check")
    replaced = timer(kept)
    contradicted = switch(kept, "enable").code
    kept.machine.check("apt-get remove -y maestro-agent")

    on = ("loaded", "active", "enabled")
    assert (before["patcher"], before["on"], before["mode"], before["gaps"]) == (THEIRS, True, "coexist", [])
    assert (automatic, checked) == ("stands-aside", 3), "without a package source the lists are stale"
    assert (anybody.code, refused, contradicted) == (0, 4, 2)
    assert (disabled["patcher"], disabled["stood_down"]) == ("agent", "command")
    assert set(disabled["gaps"]) == {"upgrade-off", "timer-masked"}
    assert status["unattended_upgrades"]["patcher"] == "agent"
    assert (unmasked["patcher"], unmasked["gaps"]) == ("agent", ["upgrade-off"])
    assert (enabled["patcher"], enabled["stood_down"]) == (THEIRS, None)
    assert set(nothing["gaps"]) == {"periodic-off", "upgrade-off", "timer-disabled"}
    assert failed.json["gaps"] == ["periodic-off", "upgrade-off"], "a later file of the owner counts"
    assert (stood_up, stood_down, replaced) == (on, MASKED, MASKED)
    assert timer(kept) == on
    assert kept.machine.path(OWN).read_text() == own, "what `enable` has set up stays until a purge"
    assert kept.machine.run("systemctl --failed --no-legend").stdout == ""


BROKEN = 'APT::Periodic::Enable "1"\n#clear APT::Periodic'
"""Without a semicolon: no apt command works any more."""


CRON = "/usr/sbin/cron"


def test_without_systemd_the_drop_in_alone_switches_and_is_undone_where_apt_cannot_read_it(host: Scenario) -> None:
    job = "unattended-upgrades --json"
    host.machine.write(CRON, "", 0o755)
    before = host.agent(job)
    off = host.agent("unattended-upgrades disable --json")
    restored = host.agent("unattended-upgrades restore --json")
    host.machine.write("/etc/apt/apt.conf.d/99broken", BROKEN)
    unknown = host.agent(job)
    failed, left = host.agent("unattended-upgrades disable"), host.machine.path(OWN).exists()
    host.machine.check("rm /etc/apt/apt.conf.d/99broken")
    host.machine.write("/etc/apt/apt.conf.d/20auto-upgrades", 'APT::Periodic::Update-Package-Lists "0";\n')
    owners_no = host.agent(job)
    set_up, told = host.agent("unattended-upgrades enable --json"), host.agent("unattended-upgrades").out
    host.machine.check("dpkg --force-all -r unattended-upgrades")
    absent = host.agent("unattended-upgrades enable")

    assert (before.code, before.json["patcher"], before.json["timer"]) == (0, THEIRS, None)
    assert (off.code, off.json["gaps"], off.json["patcher"]) == (0, ["upgrade-off"], "agent")
    assert (restored.json["on"], restored.json["stood_down"]) == (True, None)
    assert (unknown.code, unknown.json["on"], unknown.json["patcher"]) == (3, None, "agent")
    assert "99broken" in unknown.json["unseen"]
    assert (failed.code, left) == (1, False)
    assert owners_no.json["gaps"] == ["upgrade-off"]
    assert (set_up.code, set_up.json["on"]) == (0, True)
    assert set_up.json["settings"]["update_package_lists"] == "1"
    assert OWN in told, "a later no to debconf does not count"
    assert (absent.code, "apt-get install unattended-upgrades" in absent.err) == (1, True)


def test_what_is_told_is_of_now_and_a_damaged_record_hides_nothing(host: Scenario) -> None:
    job = "unattended-upgrades --json"
    host.machine.write(CRON, "", 0o755)
    host.machine.check("mkdir -p /var/lib/apt/periodic; touch -d '5 days ago' /var/lib/apt/periodic/upgrade-stamp")
    host.agent("check --no-refresh")
    overdue = host.agent(job)
    host.machine.check("sleep 1; touch /var/lib/apt/periodic/upgrade-stamp")  # documents have whole seconds
    ran = host.agent(job)
    disabled = host.agent("unattended-upgrades disable --json")
    without_daemon = host.agent(job)
    host.machine.write("/var/lib/maestro-agent/unattended-upgrades-before.json", "{")
    damaged = host.agent(job)
    restored = host.agent("unattended-upgrades restore")
    enabled = host.agent("unattended-upgrades enable --json")

    assert (overdue.code, bool(overdue.json["overdue"])) == (10, True)
    assert (ran.code, ran.json["overdue"]) == (0, None)
    assert (disabled.code, without_daemon.code, without_daemon.json["patcher"]) == (0, 10, "agent")
    assert (damaged.code, damaged.json["gaps"], "is damaged" in damaged.json["problem"]) == (10, ["upgrade-off"], True)
    assert (restored.code, "unattended-upgrades enable" in restored.err) == (1, True)
    assert (enabled.code, enabled.json["on"], enabled.json["problem"]) == (0, True, None)


def test_where_nothing_starts_the_job_the_agent_patches(host: Scenario) -> None:
    job = "unattended-upgrades --json"
    host.machine.check("rm -f /usr/lib/systemd/systemd")
    without = host.agent(job).json
    host.machine.write(CRON, "", 0o755)
    by_cron = host.agent(job).json

    assert (without["patcher"], without["gaps"]) == ("agent", ["no-scheduler"])
    assert (by_cron["patcher"], by_cron["gaps"]) == (THEIRS, [])
