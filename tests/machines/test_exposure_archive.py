"""The exposure clock over the distribution's pending security updates: what dpkg says of each file that still runs."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import bases
from tests.support.booted import booted
from tests.support.machine import machine
from tests.support.recorded import Kept, installed_layer
from tests.support.repository import Ready, Signer

pytestmark = [pytest.mark.archive, pytest.mark.xdist_group("booted-4")]

SERVER = (*bases.BOOTED, "cron", "libpam-systemd", "needrestart", "nginx-light", "openssh-server", "rsyslog")
"""As in test_restart_services.py, so that both use one cached root."""
REPLACED = "cat /proc/[0-9]*/maps 2>/dev/null | sed -n 's/.* r-xp .* \\(\\/usr\\/[^ ]*\\) (deleted)$/\\1/p' | sort -u"


@pytest.fixture(scope="module", params=bases.table_codenames())
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fixes(release: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ready, ...]:
    """Return the archive's pending security updates of the server."""
    directory = tmp_path_factory.mktemp(f"fixes-{release}")
    with machine(bases.base(release, SERVER)) as throwaway:
        shutil.copy("/etc/resolv.conf", throwaway.path("/etc/resolv.conf"))
        line = f"deb {bases.security_mirror()} {release}-security main\n"
        throwaway.write("/etc/apt/sources.list.d/security.list", line)
        throwaway.check("apt-get -q update", timeout=300)
        throwaway.check("apt-get -qy --download-only upgrade", timeout=600)
        for archive in throwaway.path("/var/cache/apt/archives").glob("*.deb"):
            shutil.copy(archive, directory)
    return tuple(map(ready, sorted(directory.iterdir())))


def ready(deb: Path) -> Ready:
    """Return a package of the archive as it is."""
    command = ["dpkg-deb", "-W", "--showformat=${Package} ${Version} ${Architecture}", str(deb)]
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return Ready(name=shown[0], version=shown[1], architecture=shown[2], deb=deb)


@pytest.fixture(scope="module")
def server(
    release: str, deb: Path, signer: Signer, fixes: tuple[Ready, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    """Return a running server to which the agent offers these updates."""
    layers = (bases.base(release, SERVER),)
    with installed_layer(release, deb, signer, tmp_path_factory.mktemp("exposed"), on=layers) as installed:  # noqa: SIM117
        with booted(*installed) as running:
            host = Kept(running, signer, release)
            host.wait_for_daemon()
            host.offer_more(*fixes)
            yield host


def inactive(host: Kept) -> dict[str, Any]:
    """Return the fixes on record that are not active, by package."""
    document = json.loads(host.machine.path("/var/lib/maestro-agent/exposure.json").read_text())
    return {fix["package"]: fix for fix in document["fixes"] if fix["active_at"] is None}


def owners(host: Kept) -> set[str]:
    """Return the packages to which dpkg assigns the replaced files that run, by either name of a merged /usr."""
    found = set()
    for path in host.machine.check(REPLACED).split():
        shown = host.machine.run(f"dpkg -S {path} 2>/dev/null || dpkg -S {path.removeprefix('/usr')} 2>/dev/null")
        found |= {line.partition(":")[0] for line in shown.stdout.splitlines()}
    return found


def test_real_fixes_wait_for_those_services_that_run_their_old_files(server: Kept, fixes: tuple[Ready, ...]) -> None:
    names = {fix.name for fix in fixes}
    server.check("--wait")
    pending = inactive(server)

    done = server.upgrade("--wait")
    installed = inactive(server)
    units = set(server.status()["services"]["deleted_files"])
    outdated = "grep -q '(deleted)' /proc/$(systemctl show -P MainPID maestro-agent)/maps"
    server.wait("the daemon's own restart", f"! {outdated}", 120)  # it is no service that waits
    running = owners(server)

    assert set(pending) == names
    assert done.json["result"] == "updated"
    assert {fix["stage"] for fix in installed.values()} == {"installed"}
    assert {name for name, fix in installed.items() if fix["units"]} == running & names
    assert {unit for fix in installed.values() for unit in fix["units"]} <= units
    assert "ssh.service" in units, "it maps libraries of nearly every update"

    server.agent("restart-services --json --wait --yes", timeout=300)
    left = inactive(server)

    assert {name for name, fix in left.items() if fix["units"]} == owners(server) & names
    assert {unit for fix in left.values() for unit in fix["units"]} <= {"dbus.service", "systemd-logind.service"}
    assert {fix["waits_for"] for fix in left.values()} <= {"reboot"}

    server.machine.reboot()
    server.wait_for_daemon()
    server.check("--wait")

    assert inactive(server) == {}
