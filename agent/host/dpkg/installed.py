"""Finds packages in dpkg's database without libapt. Light: imported by `status`."""

import os
from collections.abc import Iterator
from functools import lru_cache

from agent.state.file_version import FileVersion, file_version

ADMIN_DIRECTORY = "/var/lib/dpkg"
_INSTALLED = (b" installed", b" triggers-awaited", b" triggers-pending")
"""States in which a package is complete: triggers only refresh what others made of its files."""
_Stanza = tuple[str, str, str]
"""Name, version and architecture."""


class InstalledPackage:
    """A completely installed package."""

    def __init__(self, name: str, version: str, file_list: str | None, installed_at: float | None) -> None:
        self.name = name
        self.version = version
        self.installed_at = installed_at
        """When dpkg unpacked this version (Unix time); None if its file list is missing."""
        self._file_list = file_list

    def files(self, prefix: str) -> list[str]:
        """Return the package's files whose paths start like this; none if its file list cannot be read."""
        path = self._file_list or ""
        try:
            return list(_listed(path, file_version(path), prefix))
        except OSError:
            return []


@lru_cache(maxsize=4)
def _listed(path: str, _version: FileVersion, prefix: str) -> tuple[str, ...]:
    """Return the lines of a file list that start like this; kept, as that of a kernel has thousands of others."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return tuple(line.rstrip("\n") for line in file if line.startswith(prefix))


class InstalledPackages:
    """dpkg's database at one moment."""

    def __init__(self, directory: str = ADMIN_DIRECTORY) -> None:
        """Read the database.

        Raises:
            OSError: it cannot be read.
        """
        self._directory = directory
        with open(_database(directory), "rb") as file:
            self._text = b"\n" + file.read()

    def named(self, prefix: str) -> Iterator[InstalledPackage]:
        """Yield the packages whose names start like this; one of several architectures each time."""
        return (_package(self._directory, stanza) for stanza in self.stanzas(prefix))

    def stanzas(self, prefix: str) -> Iterator[_Stanza]:
        """Yield what `named` makes packages of."""
        start = b"\nPackage: " + prefix.encode("utf-8", "replace")
        place = self._text.find(start)
        while place >= 0:
            end = self._text.find(b"\n\n", place + 1)
            fields = dict(_fields(self._text[place + 1 : end if end >= 0 else None]))
            if fields.get(b"status", b"").endswith(_INSTALLED):
                yield _text(fields, b"package"), _text(fields, b"version"), _text(fields, b"architecture")
            place = self._text.find(start, place + 1)

    def __contains__(self, name: object) -> bool:
        """Return whether a package of exactly this name is installed, of any architecture."""
        return isinstance(name, str) and any(found == name for found, _, _ in self.stanzas(name))

    def has(self, what: str) -> bool:
        """Return whether `name` or `name:architecture` is installed, as `agent.core.packages.named.names_package`."""
        name, _, architecture = what.partition(":")
        there = self._architectures(name)
        if "all" in there:  # counts as the machine's own, which is that of dpkg itself
            there |= self._architectures("dpkg")
        return bool(there) and (architecture in {"", "all"} or architecture in there)

    def _architectures(self, name: str) -> set[str]:
        return {architecture for found, _, architecture in self.stanzas(name) if found == name}


def find_installed(
    prefixes: tuple[str, ...], names: tuple[str, ...], directory: str = ADMIN_DIRECTORY
) -> tuple[list[InstalledPackage], frozenset[str]]:
    """Return the packages whose names start with a prefix, and those of the names that are installed.

    The database, a megabyte, is read again only after a change: the daemon asks at each tick.

    Raises:
        OSError: it cannot be read.
    """
    stanzas, there = _find(directory, file_version(_database(directory)), prefixes, names)
    return [_package(directory, stanza) for stanza in stanzas], there


@lru_cache(maxsize=1)
def _find(
    directory: str, _version: FileVersion, prefixes: tuple[str, ...], names: tuple[str, ...]
) -> tuple[tuple[_Stanza, ...], frozenset[str]]:
    packages = InstalledPackages(directory)
    stanzas = tuple(stanza for prefix in prefixes for stanza in packages.stanzas(prefix))
    return stanzas, frozenset(name for name in names if name in packages)


def _database(directory: str) -> str:
    return os.path.join(directory, "status")


def _package(directory: str, stanza: _Stanza) -> InstalledPackage:
    name, version, architecture = stanza
    for stem in (name, f"{name}:{architecture}"):
        path = os.path.join(directory, "info", f"{stem}.list")
        try:
            return InstalledPackage(name, version, path, os.stat(path).st_mtime)
        except (OSError, ValueError):
            continue
    return InstalledPackage(name, version, None, None)


def _fields(stanza: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in stanza.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and not line.startswith((b" ", b"\t")):
            yield name.lower(), value.strip()


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")
