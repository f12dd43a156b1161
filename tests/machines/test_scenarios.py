"""Scenarios without a peer to compare: what the agent reports, and what two runs do."""

from datetime import datetime, timezone

import pytest

from tests.support.repository import package
from tests.support.scenario import Scenario, names, reasons


@pytest.mark.every_release
def test_a_renamed_suite_is_still_the_security_suite(host: Scenario) -> None:
    host.install(package("a", "1"))
    made = host.repository("security")
    assert host.agent("check").code == 0

    made.suite = "oldstable-security"
    made.add(package("a", "2"))
    done = host.upgrade()

    assert (done.code, done.json["result"]) == (0, "updated"), done
    assert host.versions("a") == {"a": "2"}


def test_a_second_run_reports_the_same_reasons_and_changes_nothing(host: Scenario) -> None:
    host.offer("security", package("a", "2"), package("b", "2", depends="n"), package("c", "2"))
    host.repository("updates", package("n", "1"))
    host.machine.check("apt-mark hold c")

    first, second = host.upgrade(), host.upgrade()

    assert names(first.json["upgraded"]) == ["a"]
    assert names(second.json["upgraded"]) == []
    assert reasons(first.json) == reasons(second.json) == {"b": "needs-other-origin", "c": "held-by-admin"}
    assert first.code == second.code == 10


def test_a_failed_run_reports_the_required_reboot_and_does_not_reboot(host: Scenario) -> None:
    flag = "touch /run/reboot-required; echo a > /run/reboot-required.pkgs"
    host.offer("security", package("a", "2", postinst=flag), package("b", "2", postinst="exit 1"))
    for command in ("reboot", "shutdown", "systemctl"):
        host.machine.write(f"/usr/sbin/{command}", "#!/bin/sh\ntouch /rebooted\n", mode=0o755)

    done = host.upgrade()

    assert (done.code, done.json["result"]) == (1, "failed")
    assert (done.json["reboot"]["required"], done.json["reboot"]["packages"]) == (True, ["a"])
    assert not host.machine.path("/rebooted").exists()


def test_an_older_reboot_flag_is_reported_with_its_time_if_nothing_is_pending(host: Scenario) -> None:
    host.repository("security")
    host.machine.check("touch -d 2026-01-02T03:04:05Z /run/reboot-required")

    done = host.upgrade()

    assert (done.code, done.json["result"], done.json["reboot"]["required"]) == (0, "up-to-date", True)
    since = datetime.fromisoformat(host.agent("status --json").json["reboot"]["since"].replace("Z", "+00:00"))
    assert since == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def test_an_update_is_installed_once_its_hold_is_removed(host: Scenario) -> None:
    host.offer("security", package("a", "2", depends="lib (>= 2)"), package("lib", "2"))
    host.machine.check("apt-mark hold lib")
    held = host.upgrade()
    host.machine.check("apt-mark unhold lib")

    done = host.upgrade()

    assert reasons(held.json) == {"a": "held-by-admin", "lib": "held-by-admin"}
    assert (done.code, names(done.json["upgraded"])) == (0, ["a", "lib"])


@pytest.mark.every_release
def test_a_held_update_is_installed_once_its_dependency_reaches_security(host: Scenario) -> None:
    host.install(package("a", "1"))
    security = host.repository("security", package("a", "2", depends="n"))
    host.repository("updates", package("n", "1"))
    held = host.upgrade()
    security.add(package("n", "1"))

    done = host.upgrade()

    assert reasons(held.json) == {"a": "needs-other-origin"}
    assert (done.code, host.versions("a", "n")) == (0, {"a": "2", "n": "1"})
