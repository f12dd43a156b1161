"""Packages are brought back from archives by real dpkg, without libapt: `Transactions.install_files`."""

from collections.abc import Sequence

import pytest

from tests.support.repository import Package, package
from tests.support.scenario import Scenario

_INSTALL = """
import sys
from datetime import timedelta
from pathlib import Path
from agent.core.job_control import JobControl
from agent.host.apt.configuration import configure
from agent.host.apt.history import RunOrigin
from agent.host.apt.transaction import Transactions
from agent.host.dpkg.timeouts import DpkgTimeouts
configure()
minute = timedelta(minutes=1)
transactions = Transactions(
    lock_timeout=minute,
    limits=DpkgTimeouts(stall=minute, package=minute),
    log=Path("/srv/install.log"),
    control=JobControl(progress=lambda message: None, keep=lambda message: None),
    origin=RunOrigin(),
)
remove, unpack, *files = sys.argv[1:]
transactions.install_files([Path(file) for file in files], remove.split(), unpack=bool(unpack))
"""
BEFORE = package("engine", "26"), package("client", "26")
AFTER = package("engine", "28", depends="init"), package("client", "28", breaks="engine (<< 27)"), package("init", "1")


def install_files(host: Scenario, packages: Sequence[Package], remove: str, *, unpack: bool) -> None:
    """Remove packages and install archives, as a rollback does."""
    for one in packages:
        host.machine.path(f"/srv/{one.name}.deb").write_bytes(one.build())
    host.machine.write("/srv/install.py", _INSTALL)
    files = " ".join(f"/srv/{one.name}.deb" for one in packages)
    command = f"python3 -B /srv/install.py '{remove}' '{'unpack' if unpack else ''}' {files}"
    host.machine.check(f"PYTHONPATH=/usr/share/maestro-agent {command}")


@pytest.mark.parametrize("unpack", [pytest.param(False, id="install"), pytest.param(True, id="unpack")])
@pytest.mark.every_release
def test_a_dependency_that_came_with_the_new_version_goes_with_it(host: Scenario, *, unpack: bool) -> None:
    host.install(*AFTER)

    install_files(host, BEFORE, "init", unpack=unpack)
    host.machine.check("dpkg --configure --pending")

    assert host.versions("engine", "client", "init") == {"engine": "26", "client": "26", "init": None}


def test_a_package_that_the_older_version_replaces_goes_first(host: Scenario) -> None:
    host.install(package("engine", "26"), package("client", "26"))

    install_files(host, [package("engine", "20", conflicts="client")], "client", unpack=False)

    assert host.versions("engine", "client") == {"engine": "20", "client": None}
