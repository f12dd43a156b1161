"""Owners of replaced files, from dpkg's file lists."""

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from agent.core.model.package import PackageId
from agent.host.dpkg.package_files import find_installed_files

SSL = PackageId(name="libssl3", architecture="amd64")
FOREIGN = PackageId(name="libssl3", architecture="i386")
CRON = PackageId(name="cron", architecture="amd64")
GONE = PackageId(name="gone", architecture="amd64")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
NATIVE = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
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


def test_the_owners_of_the_code_of_this_process_are_those_that_dpkg_names() -> None:
    maps = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    code = {line[5] for line in maps if len(line) > 5 and "x" in line[1] and line[5].startswith(("/usr/lib/", "/lib/"))}
    owners = {path: owner for path in code if (owner := dpkg_owner(path)) is not None}

    found = find_installed_files(set(owners.values()), code)

    assert len(owners) > 2, "libc and others"
    assert {path: owner for owner, files in found.items() for path in files.paths} == owners


def dpkg_owner(path: str) -> PackageId | None:
    """Return the package that dpkg-query names for a file, under either name that a merged /usr gives it."""
    for name in (path, path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}"):
        shown = subprocess.run(
            ["dpkg-query", "-S", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        )
        if shown.returncode == 0:
            package, _, architecture = shown.stdout.partition(": ")[0].partition(":")
            return PackageId(name=package, architecture=architecture or NATIVE)
    return None
