"""A mode of the daily job stays what it is over everything that others do: packages, masks, boots, a dead daemon."""

import json
from pathlib import Path

import pytest

from tests.machines.test_unattended_upgrades import (
    MASKED,
    OWN,
    TIMER,
    Days,
    beside,
    configure,
    daily_job,
    kept,
    timer,
)
from tests.support import bases
from tests.support.recorded import RECORD, UNIT, Kept, newer

__all__ = ["beside", "kept"]
pytestmark = [
    pytest.mark.xdist_group("booted-7"),
    pytest.mark.skipif(not bases.thorough(), reason="a minute on a booted machine"),
]
ON = ("loaded", "active", "enabled")
BEFORE = f"{RECORD}/unattended-upgrades-before.json"
CONFIGURE = "DEBIAN_FRONTEND=noninteractive dpkg-reconfigure"
"""Runs a package's real scripts, as an upgrade to the same version does."""


def test_replace_stays_over_packages_boots_and_a_dead_daemon_and_ends_with_the_purge(kept: Kept, deb: Path) -> None:
    days = Days(kept)
    configure(kept, "replace")
    kept.machine.check(f"{CONFIGURE} apt")
    after_apt = timer(kept)
    kept.machine.check(f"{CONFIGURE} unattended-upgrades")
    after_peer, first = timer(kept), days.patchers()
    kept.machine.reboot()
    kept.wait_for_daemon()
    kept.follow_security()
    after_boot, second = timer(kept), days.patchers()
    kept.machine.check(f"systemctl stop {UNIT}")
    dead = kept.agent("status --json")
    kept.machine.check(f"systemctl start {UNIT}")
    kept.wait_for_daemon()
    kept.wait_for_idle()
    kept.repository("updates", newer(deb, "new"))
    kept.machine.check("apt-get -q update; apt-get install -y maestro-agent")
    upgraded, recorded = timer(kept), json.loads(kept.machine.path(BEFORE).read_text())
    kept.wait_for_daemon()
    kept.wait_for_idle()
    kept.machine.check("DEBIAN_FRONTEND=noninteractive apt-get purge -y unattended-upgrades")
    purged, third = daily_job(kept), days.patchers()
    configure(kept, "delegate")
    nobody, attention = daily_job(kept), kept.agent("status --json")
    configure(kept, "replace")
    kept.wait_for_idle()
    kept.machine.check("DEBIAN_FRONTEND=noninteractive apt-get purge -y maestro-agent")

    print(dead.json["reasons"], attention.json["reasons"])
    assert (after_apt, after_peer, after_boot, upgraded) == (MASKED, MASKED, MASKED, MASKED)
    assert (first, second, third) == (["agent"], ["agent"], ["agent"])
    assert recorded["timer"] == {"load": "loaded", "active": "active", "enabled": "enabled"}
    assert (purged["patcher"], nobody["patcher"]) == ("agent", "nobody")
    assert (dead.code, dead.json["health"]) == (3, "unknown")
    assert (attention.code, attention.json["unattended_upgrades"]["patcher"]) == (10, "nobody")
    assert timer(kept) == ON
    assert not kept.machine.path(OWN).exists()
    assert not kept.machine.path(RECORD).exists()
    assert kept.machine.run("systemctl --failed --no-legend").stdout == ""


def test_a_timer_that_its_owner_masked_before_stays_masked(kept: Kept) -> None:
    days = Days(kept)
    kept.machine.check(f"systemctl disable --now {TIMER}; systemctl mask {TIMER}")
    found = {"coexist": days.patchers()}
    for mode in ("replace", "coexist"):
        configure(kept, mode)
        found[f"{mode}-{len(found)}"] = days.patchers()
    left = timer(kept), kept.machine.path(OWN).exists()
    configure(kept, "delegate")
    delegated = daily_job(kept)
    configure(kept, "replace")
    # Without the agent's help, as where its program is broken
    kept.machine.check("printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/maestro-agent; apt-get remove -y maestro-agent")

    assert found == {"coexist": ["agent"], "replace-1": ["agent"], "coexist-2": ["agent"]}
    assert left == (MASKED, False)
    assert delegated["patcher"] == "nobody"
    assert timer(kept) == MASKED
    assert not kept.machine.path(OWN).exists()


@pytest.mark.parametrize("broken", [False, True], ids=["by-the-agent", "without-its-help"])
def test_a_timer_with_a_unit_file_of_its_owners_is_stood_down_and_put_back(kept: Kept, *, broken: bool) -> None:
    kept.machine.check(f"cp /lib/systemd/system/{TIMER} /etc/systemd/system/; systemctl daemon-reload")
    configure(kept, "replace")
    replaced, told = timer(kept), daily_job(kept)
    kept.wait_for_idle()
    if broken:
        kept.machine.check("printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/maestro-agent")
    kept.machine.check("apt-get remove -y maestro-agent")

    assert (replaced, told["patcher"], told["problem"]) == (("loaded", "inactive", "disabled"), "agent", None)
    assert timer(kept) == ON
    assert kept.machine.path(f"/etc/systemd/system/{TIMER}").exists()
    assert not kept.machine.path(OWN).exists()
