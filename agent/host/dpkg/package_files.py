"""Which of some packages own some files, from dpkg's file lists. Only the lists of these packages are read."""

import os
from collections.abc import Collection, Mapping
from datetime import datetime, timezone

from agent.core.exposure import InstalledFiles
from agent.core.model.package import PackageId
from agent.core.reboot.file_names import recorded_names
from agent.host.dpkg.installed import ADMIN_DIRECTORY


def find_installed_files(
    packages: Collection[PackageId], paths: Collection[str], directory: str = ADMIN_DIRECTORY
) -> Mapping[PackageId, InstalledFiles]:
    """Return what dpkg's database has of each package; nothing for one whose file list cannot be read."""
    names: dict[str, set[str]] = {}
    for path in paths:
        for name in recorded_names(path):
            names.setdefault(name, set()).add(path)
    found = {package: _read(package, names, directory) for package in packages}
    return {package: files for package, files in found.items() if files is not None}


def _read(package: PackageId, names: Mapping[str, set[str]], directory: str) -> InstalledFiles | None:
    """Read the list of a package; of one that can be installed for several architectures, the name has this one's."""
    for stem in (str(package), package.name):
        try:
            with open(os.path.join(directory, "info", f"{stem}.list"), encoding="utf-8", errors="replace") as file:
                unpacked_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, timezone.utc)
                owned = {path for line in file for path in names.get(line.rstrip("\n"), ())}
        except (OSError, ValueError, OverflowError):
            continue
        return InstalledFiles(unpacked_at=unpacked_at, paths=frozenset(owned))
    return None
