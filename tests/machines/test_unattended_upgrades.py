"""The distribution's daily job beside the agent, with the real package on booted machines: one daily patcher."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.core.unattended_upgrades.settings import parse_every
from tests.core.unattended_upgrades.test_settings import INTERVALS
from tests.support import bases
from tests.support.booted import booted
from tests.support.machine import machine
from tests.support.recorded import SOCKET, UNIT, Kept, installed_layer
from tests.support.repository import Signer, package

pytestmark = pytest.mark.xdist_group("booted-2")
PEER = (*bases.BOOTED, "unattended-upgrades")
TIMER = "apt-daily-upgrade.timer"
DROP_IN = "/etc/maestro-agent/config.d/20-mode.toml"
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
    "schema": "maestro.job-request/1", "job": "upgrade", "scope": "security", "refresh": True,
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


@contextmanager
def neighbours(codename: str, deb: Path, signer: Signer, directory: Path) -> Iterator[Kept]:
    """Boot a machine that has unattended-upgrades, and then got the agent."""
    base = bases.base(codename, PEER)
    with installed_layer(codename, deb, signer, directory, on=(base,)) as layers, booted(*layers) as running:
        yield Kept(running, signer, codename)


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
        kept.machine.check("rm -f /var/log/apt/history.log; rm -f /var/lib/apt/periodic/*")
        kept.machine.check("apt-get -q update")
        first = self._number % 2 == 0
        steps = (self._theirs, self._ours) if first else (self._ours, self._theirs)
        for step in steps:
            step()
        log = kept.machine.path("/var/log/apt/history.log")
        text = log.read_text() if log.exists() else ""
        assert kept.machine.version("a") in {str(self._number), str(self._number - 1), "1"}
        return [
            "agent" if "maestro-agent" in line else "unattended-upgrades" if "/unattended-upgrade" in line else line
            for line in text.splitlines()
            if line.startswith("Commandline:")
        ]

    def _theirs(self) -> None:
        if self._kept.machine.run(f"systemctl is-active -q {TIMER}").returncode == 0:
            self._kept.machine.check("systemctl start apt-daily-upgrade.service")

    def _ours(self) -> None:
        """Send what the daemon sends, whatever it would send by its record."""
        self._kept.wait_for_idle()
        done = self._kept.python(_REQUEST, user="maestro-agent")
        answer = json.loads(done.stdout)
        assert answer["exit_code"] in {0, 2, 10}, answer


def configure(kept: Kept, mode: str) -> None:
    kept.machine.write(DROP_IN, f'[unattended_upgrades]\nmode = "{mode}"\n')
    kept.machine.check(f"systemctl reload {UNIT}")


def daily_job(kept: Kept) -> Any:
    return kept.agent("unattended-upgrades --json").json


def timer(kept: Kept) -> tuple[str, ...]:
    shown = kept.machine.check(f"systemctl show -P LoadState -P ActiveState -P UnitFileState {TIMER}")
    return tuple(shown.split())


def test_each_mode_is_entered_and_left_with_exactly_one_daily_patcher(
    booted_codename: str, deb: Path, signer: Signer, tmp_path: Path
) -> None:
    with neighbours(booted_codename, deb, signer, tmp_path) as kept:
        stood_up = timer(kept)
        days = Days(kept)
        found = {"coexist": days.patchers()}
        configure(kept, "replace")
        found["replace"] = days.patchers()
        stood_down = timer(kept)
        configure(kept, "delegate")
        found["delegate"] = days.patchers()
        configure(kept, "coexist")
        kept.machine.check("systemctl disable --now apt-daily-upgrade.timer")
        found["coexist-off"] = days.patchers()

        assert found == {
            "coexist": ["unattended-upgrades"],
            "replace": ["agent"],
            "delegate": ["unattended-upgrades"],
            "coexist-off": ["agent"],
        }
        assert (stood_up, stood_down) == (("loaded", "active", "enabled"), ("masked", "inactive", "masked"))
        assert kept.machine.run("systemctl --failed --no-legend").stdout == ""
