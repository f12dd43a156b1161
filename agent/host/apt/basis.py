"""A digest of all that libapt's answers about packages depend on, without opening its cache.

Files count by their identity and change time, which no program can set: one that was replaced, edited, or only touched
counts as another. So do directories, or a file that came while libapt read them and is gone again would leave no trace.
An update that finds nothing new touches Release files and apt's directory of lists: the former count by their content,
the latter by what is in it. What cannot be read leaves the basis unknown.

Keys do not count: libapt uses them as it fetches, and what came of that is in the result of the refresh. libapt's clock
does not either: it has none but for the dates that `agent.host.apt.lists` judges.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import apt_pkg

from agent.core.policy.origins import OriginPattern
from agent.host.dpkg import database as dpkg_database
from agent.host.machine.boot_id import boot_id
from agent.state.safe_open import open_regular
from agent.version import VERSION

PRO_LISTS = Path("/var/lib/ubuntu-advantage/apt-esm/var/lib/apt/lists")
"""Where the Pro client keeps lists of its own (`agent.host.apt.pro_lists`)."""
_FORMAT = 1
_NOT_LISTS = frozenset({"lock", "partial", "auxfiles"})
"""What each update changes in apt's directory of lists, and no lists."""
_RELEASE_FILES = ("InRelease", "Release", "Release.gpg")
_DPKG_CONFIGURATION = "/etc/dpkg"
_DEEPEST = 6
"""Levels of directories; no package manager reads its configuration from so deep."""


def packages_basis(configuration: str, patterns: tuple[OriginPattern, ...]) -> str:
    """Return the digest; empty if anything of it cannot be read. `configuration` is apt's, as `dump` gives it.

    Take it before the cache is opened, so that what changes meanwhile gives another one next time.
    """
    boot = boot_id()
    if boot is None:
        return ""
    try:
        found = [
            *(_FORMAT, VERSION, apt_pkg.VERSION),
            *(boot, tuple(os.uname()), os.geteuid(), _content(_machine_id()), _identity(os.stat("/"))[:2]),
            *(configuration, tuple(pattern.text for pattern in patterns)),
            *_apt_files(),
            *_dpkg_files(),
        ]
    except OSError:
        return ""
    return hashlib.sha256(repr(found).encode(errors="surrogateescape")).hexdigest()


def archives_basis() -> str:
    """Return what changes when a file appears in apt's archive directory; empty if that is unknown."""
    try:
        found = os.stat(apt_pkg.config.find_dir("Dir::Cache::archives"))
    except OSError:
        return ""
    return f"{found.st_dev} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}"


def _machine_id() -> str:
    """Return the file from which libapt derives the machine's place in phased updates (APT::Machine-ID has no file)."""
    return apt_pkg.config.find_file("Dir::Etc::machine-id") or f"{apt_pkg.config.find_dir('Dir::Etc')}../machine-id"


def _apt_files() -> Iterator[Any]:
    find_dir, find_file = apt_pkg.config.find_dir, apt_pkg.config.find_file
    yield from _tree(find_dir("Dir::Etc"))
    for name in ("Dir::Etc::sourceparts", "Dir::Etc::preferencesparts"):
        yield from _tree(find_dir(name))
    for name in ("Dir::Etc::sourcelist", "Dir::Etc::preferences", "Dir::State::extended_states"):
        yield _file(find_file(name))
    yield from _lists(find_dir("Dir::State::Lists"))
    yield from _lists(str(PRO_LISTS))


def _dpkg_files() -> Iterator[Any]:
    status = dpkg_database.status_file()
    yield _file(str(status))
    yield _file(str(status.parent / "arch"))
    yield from _tree(str(status.parent / "updates"))
    yield from _tree(_DPKG_CONFIGURATION)


def _lists(directory: str) -> Iterator[Any]:
    for path in _names(directory):
        name = os.path.basename(path)
        if name in _NOT_LISTS:
            continue
        yield (path, _content(path)) if name.endswith(_RELEASE_FILES) else _file(path)


def _tree(directory: str, depth: int = _DEEPEST) -> Iterator[Any]:
    """Yield a directory and all below it; what is behind a link to a directory is left to its own setting."""
    yield directory, _identity(os.stat(directory)) if os.path.isdir(directory) else "absent"
    for path in _names(directory):
        yield _file(path)
        if os.path.isdir(path) and not os.path.islink(path):
            if not depth:
                raise OSError(f"{directory}: too deep")
            yield from _tree(path, depth - 1)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.path.join(directory, name) for name in os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _file(path: str) -> tuple[object, ...]:
    """Return what changes with a file, and where it leads if it is a link."""
    try:
        own = os.lstat(path)
        link = os.readlink(path) if path and os.path.islink(path) else ""
        found = os.stat(path) if link else own
    except (FileNotFoundError, NotADirectoryError):
        return path, "absent"
    if not os.access(path, os.R_OK):
        raise PermissionError(path)
    return path, link, *(_identity(found) if not S_ISDIR(found.st_mode) else ())


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def _content(path: str) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return "absent"
