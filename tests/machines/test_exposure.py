"""The exposure clock on booted machines: real packages, a real service, a session, a kernel, a soft-reboot."""

import os
from pathlib import Path
from typing import Any

import pytest

from agent.state.timestamps import parse_utc
from tests.support.recorded import UNIT, Kept
from tests.support.repository import Package, package

pytestmark = pytest.mark.xdist_group("booted-4")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libheld.so.1"
ELF = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1")).read_bytes()
RUNS = f"import ctypes, time; ctypes.CDLL('{LIBRARY}'); open('/run/{{0}}', 'w'); time.sleep(600)"
RUNNING = os.uname().release


def held(version: str) -> Package:
    return Package(name="libheld1", version=version, files=((LIBRARY, ELF + version.encode()),))


def start(host: Kept, name: str, options: str = "") -> None:
    host.machine.check(f'systemd-run {options} --unit {name} python3 -c "{RUNS.format(name)}"')
    host.wait(name, f"test -e /run/{name}")


def start_session(host: Kept) -> None:
    """Start a process in a scope of the place and name that systemd-logind gives to a login session."""
    host.machine.check("useradd --uid 1000 bob")
    scope = "systemd-run --scope --slice user-1000.slice --unit session-7.scope"
    code = RUNS.format("session")
    host.machine.check(f'setsid {scope} python3 -c "{code}" </dev/null >/dev/null 2>&1 &')
    host.wait("the session", "test -e /run/session")


def fixes(host: Kept) -> dict[str, Any]:
    """Return the fixes that are not active by package."""
    return {fix["package"]: fix for fix in host.status()["exposure"]["fixes"]}


def test_a_fix_is_pending_then_installed_and_active_once_nothing_runs_the_old_files(own: Kept) -> None:
    own.install(held("1"))
    start(own, "plain")
    start_session(own)
    own.offer_more(held("2"))

    own.check("--wait")
    pending = fixes(own)["libheld1"]
    own.upgrade("--wait")
    installed = fixes(own)["libheld1"]
    sessions = own.status()["services"]["sessions"]
    said = own.agent("status").out
    own.machine.check("systemctl stop plain session-7.scope")
    explained = own.agent("explain --json libheld1").json["exposure"]
    still = fixes(own)
    own.check("--wait")

    assert (pending["stage"], pending["waits_for"], pending["installed_at"]) == ("pending", "upgrade", None)
    assert (installed["stage"], installed["waits_for"]) == ("installed", "restart")
    assert installed["units"] == ["plain.service", "session-7.scope"]
    assert installed["pending_since"] == pending["pending_since"] <= installed["installed_at"]
    assert sessions == [{"unit": "session-7.scope", "user": "bob"}]
    assert "(libheld1: plain.service and 1 more still run the old version)" in said
    assert "session-7 (bob has to log in again)" in said
    assert [(fix["stage"], fix["units"]) for fix in explained] == [("active", [])]
    assert list(still) == ["libheld1"], "explain records nothing"
    assert own.status()["exposure"] == {"pending": 0, "installed": 0, "oldest_since": None, "fixes": []}


def test_the_clock_survives_an_upgrade_of_the_agent_and_a_boot(own: Kept) -> None:
    own.have(package("waits", "2"))
    own.machine.check("apt-mark hold waits")
    own.check("--wait")
    first = fixes(own)["waits"]["pending_since"]

    own.machine.check("apt-get install -y --reinstall maestro-agent")
    own.machine.reboot()
    own.wait_for_daemon()
    after_boot = own.status()["exposure"]
    own.check("--wait")

    assert (after_boot["pending"], after_boot["installed"], after_boot["oldest_since"]) == (1, None, first)
    assert fixes(own)["waits"]["pending_since"] == first


@pytest.mark.skipif("-" not in RUNNING, reason="this machine's kernel has no flavour")
def test_a_kernel_without_a_flag_is_seen_within_a_minute_and_waits_for_its_boot(own: Kept) -> None:
    flavour = RUNNING.partition("-")[2]
    own.machine.check("rm -f /run/systemd/container")  # as a machine with its own kernel
    own.install(package(f"linux-image-{RUNNING}", "9", architecture="amd64"))
    own.have(package(f"linux-image-{flavour}", "10", architecture="amd64"))
    own.check("--wait")
    own.wait_for_daemon()
    own.install(package(f"linux-image-9.1.0-{flavour}", "10", architecture="amd64"))

    own.wait("the daemon's tick", f"systemctl show -P StatusText {UNIT} | grep -q 'a reboot is required'", 60)
    own.upgrade("--wait")

    assert own.machine.run("test -e /run/reboot-required").returncode == 1
    assert fixes(own)[f"linux-image-{flavour}"]["waits_for"] == "reboot"
    assert own.status()["reboot"]["packages"] == [f"linux-image-9.1.0-{flavour}"]


def test_a_flag_is_kept_over_a_soft_reboot_since_it_was_first_set_and_services_are_checked_again(own: Kept) -> None:
    if own.machine.run("systemctl soft-reboot --help >/dev/null && systemctl show -p SoftRebootsCount").stdout == "":
        pytest.skip("systemd has no soft-reboot before version 254")
    own.install(held("1"))
    start(own, "plain")
    own.offer_more(held("2"))
    own.machine.check("touch -d '2 hours ago' /run/reboot-required")
    own.upgrade("--wait")
    before = own.status()
    own.machine.check("touch /run/reboot-required")  # as another package does

    touched = own.status()
    pid = own.daemon_pid()
    own.machine.soft_reboot()
    own.wait_for_daemon(other_than=pid, seconds=120)
    daemon = own.daemon()
    own.check("--wait")
    after = own.status()

    assert before["exposure"]["installed"] == 1
    assert touched["reboot"]["since"] == before["reboot"]["since"] == after["reboot"]["since"]
    assert (parse_utc(daemon["next"]["check"]) - parse_utc(daemon["started_at"])).total_seconds() <= 630
    assert after["exposure"]["installed"] == 0
    assert after["services"]["deleted_files"] == []
