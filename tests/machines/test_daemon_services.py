"""Services that run replaced files, on a booted machine: detected by the worker within the limits of its unit."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.recorded import UNIT, Kept
from tests.support.repository import Package

pytestmark = pytest.mark.xdist_group("booted")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libheld.so.1"
ELF = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1")).read_bytes()
SERVICE = f"import ctypes, time; ctypes.CDLL('{LIBRARY}'); open('/run/{{0}}', 'w'); time.sleep(600)"
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
    assert later == ["sandboxed.service"]
    assert "Restart      1 service runs deleted files, checked just now: sandboxed.service\n" in said
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
