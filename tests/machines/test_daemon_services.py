"""Services that run replaced files, on a booted machine: detected by the worker within the limits of its unit."""

import os
from pathlib import Path
from typing import Any

import pytest

from agent.state.timestamps import parse_utc
from tests.support.recorded import UNIT, Kept
from tests.support.repository import Package, package

pytestmark = pytest.mark.xdist_group("booted-5")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libheld.so.1"
ELF = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1")).read_bytes()
SERVICE = f"import ctypes, time; ctypes.CDLL('{LIBRARY}'); open('/run/{{0}}', 'w'); time.sleep(600)"
RUNNING = os.uname().release
SANDBOX = "-p ProtectSystem=strict -p PrivateTmp=yes -p ProtectHome=yes -p ReadWritePaths=/run"


def held(version: str) -> Package:
    return Package(name="libheld1", version=version, files=((LIBRARY, ELF + version.encode()),))


def start(host: Kept, name: str, options: str = "") -> None:
    host.machine.check(f'systemd-run {options} --unit {name} python3 -c "{SERVICE.format(name)}"')
    host.wait(name, f"test -e /run/{name}")


def services(host: Kept) -> Any:
    found = host.status()["services"]
    return found and found["deleted_files"]


def test_services_with_a_replaced_library_are_reported_until_restarted(own: Kept) -> None:
    own.install(held("1"))
    start(own, "plain")
    start(own, "sandboxed", SANDBOX)
    own.check("--wait")
    before = services(own)
    own.offer_more(held("2"))

    done = own.upgrade("--wait")
    after = services(own)
    own.machine.check("systemctl stop plain")
    own.check("--wait")
    later = services(own)
    said = own.agent("status").out

    assert done.json["result"] == "updated"
    assert before == []
    assert after == ["plain.service", "sandboxed.service"]
    assert done.json["restart"] == [
        {"unit": "plain.service", "command": "systemctl restart plain"},
        {"unit": "sandboxed.service", "command": "systemctl restart sandboxed"},
    ]
    assert later == ["sandboxed.service"]
    assert (
        "1 (checked just now)\n                 sandboxed (restart what started it)\n" in said
    )  # a unit of systemd-run
    assert own.status(user="65534")["health"] == "healthy"


def test_after_a_reboot_service_restarts_are_unknown_until_the_next_check(own: Kept) -> None:
    own.install(held("1"))
    start(own, "plain")
    own.offer_more(held("2"))
    own.upgrade("--wait")
    before = services(own)
    own.machine.check(f"systemctl mask {UNIT}")

    own.machine.reboot()
    unknown = own.status()
    own.check("--wait")

    assert before == ["plain.service"]
    assert unknown["services"] is None
    assert unknown["kernel"]["running"] is not None
    assert services(own) == []
    assert own.status()["kernel"]["newest"] is None, "no kernel package is installed"


def test_the_daemon_restarts_itself_once_its_own_files_are_replaced(shared: Kept) -> None:
    shared.machine.check(f"systemctl start {UNIT}")
    pid = shared.wait_for_daemon()
    shared.machine.check(f"kill -STOP {pid}")  # its own tick may come before we have looked
    shared.machine.check("python=$(readlink -f /usr/bin/python3); cp -a $python $python.new; mv $python.new $python")
    deleted = f"grep -q '(deleted)' /proc/{pid}/maps"
    before = shared.machine.run(deleted).returncode
    shared.machine.check(f"kill -CONT {pid}")
    shared.machine.check(f"systemctl reload {UNIT}")  # a tick

    shared.wait("the daemon's restart", f"! {deleted} && test -e /run/maestro-agent/daemon.json")

    assert before == 0
    assert shared.wait_for_daemon() == pid
    assert shared.machine.check(f"systemctl is-active {UNIT}").strip() == "active"
    assert shared.status()["daemon"]["pid"] == pid


@pytest.mark.parametrize(
    ("change", "state", "at_boot", "code"),
    [
        ("disable", "on", False, 10),
        ("disable --now", "disabled", False, 10),
        ("mask --now", "masked", False, 10),
        ("mask --now --runtime", "masked", False, 10),
        ("stop", "stopped", True, 3),
    ],
)
def test_a_machine_that_no_longer_patches_itself_asks_for_attention(
    shared: Kept, change: str, state: str, at_boot: object, code: int
) -> None:
    shared.machine.check(f"systemctl unmask {UNIT}; systemctl unmask --runtime {UNIT}; systemctl enable --now {UNIT}")
    shared.wait_for_daemon()
    shared.have(package("current", "1"))
    shared.check("--wait")
    good = shared.agent("status --json")

    shared.machine.check(f"systemctl {change} {UNIT}")
    found = shared.agent("status --json", user="65534")
    shared.machine.check(f"systemctl unmask {UNIT}; systemctl unmask --runtime {UNIT}; systemctl enable --now {UNIT}")

    assert (good.code, good.json["automatic"]) == (0, {"state": "on", "starts_at_boot": True})
    assert found.json["automatic"] == {"state": state, "starts_at_boot": at_boot}
    assert found.code == code


def test_a_container_is_checked_after_its_own_boot_and_reports_it(own: Kept) -> None:
    own.have(package("current", "1"))
    own.check("--wait")
    checked = own.status()["looked_at"]

    own.machine.reboot()
    own.wait_for_daemon()
    found = own.status()
    report = own.agent("report --show").json

    assert found["kernel"]["newest"] is None, "the kernel is the host's"
    assert checked <= report["host"]["booted_at"] <= found["daemon"]["started_at"]
    next_at, started_at = (parse_utc(at) for at in (found["jobs"]["check"]["next_at"], found["daemon"]["started_at"]))
    assert 300 <= (next_at - started_at).total_seconds() <= 630, "five to ten minutes after the boot"


@pytest.mark.skipif("-" not in RUNNING, reason="this machine's kernel has no flavour")
def test_the_daemon_in_its_sandbox_sees_a_newer_kernel_as_root_does(own: Kept) -> None:
    own.machine.check("rm /run/systemd/container")  # as a machine with its own kernel
    own.install(package(f"linux-image-{RUNNING}", "9", architecture="amd64"))
    own.wait_for_daemon()
    own.install(package(f"linux-image-9.1.0-{RUNNING.partition('-')[2]}", "10", architecture="amd64"))

    own.machine.check(f"systemctl reload {UNIT}")
    own.wait("the daemon's tick", f"systemctl show -P StatusText {UNIT} | grep -q 'a reboot is required'")

    assert own.status()["reboot"]["required"]
