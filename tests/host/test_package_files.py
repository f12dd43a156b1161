"""Owners of replaced files, from dpkg's file lists."""

import os
from datetime import datetime, timezone
from pathlib import Path

from agent.core.model.package import PackageId
from agent.host.dpkg.package_files import find_installed_files

SSL = PackageId(name="libssl3", architecture="amd64")
FOREIGN = PackageId(name="libssl3", architecture="i386")
CRON = PackageId(name="cron", architecture="amd64")
GONE = PackageId(name="gone", architecture="amd64")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
AT = datetime(2026, 11, 20, tzinfo=timezone.utc)


def write_lists(directory: Path) -> None:
    info = directory / "info"
    info.mkdir()
    (info / "libssl3:amd64.list").write_text(f"/.\n/usr\n{LIBRARY}\n")
    (info / "libssl3:i386.list").write_text("/usr/lib/i386-linux-gnu/libssl.so.3\n")
    (info / "cron.list").write_text("/usr/sbin/cron\n")
    for one in info.iterdir():
        os.utime(one, (AT.timestamp(), AT.timestamp()))


def test_each_package_has_its_own_of_the_files_and_the_time_of_its_unpacking(tmp_path: Path) -> None:
    write_lists(tmp_path)

    found = find_installed_files((SSL, FOREIGN, CRON, GONE), (LIBRARY, "/sbin/cron", "/usr/x"), str(tmp_path))

    assert {package: (files.unpacked_at, sorted(files.paths)) for package, files in found.items()} == {
        SSL: (AT, [LIBRARY]),
        FOREIGN: (AT, []),
        CRON: (AT, ["/sbin/cron"]),
    }


def test_the_real_database_knows_who_owns_dpkg() -> None:
    dpkg = PackageId(name="dpkg", architecture="amd64")

    assert find_installed_files((dpkg,), ("/usr/bin/dpkg",))[dpkg].paths == {"/usr/bin/dpkg"}
