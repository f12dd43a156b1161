"""Finds packages in dpkg's database without libapt. Light: imported by `status`."""

import os
from collections.abc import Iterator

ADMIN_DIRECTORY = "/var/lib/dpkg"
_INSTALLED = (b" installed", b" triggers-awaited", b" triggers-pending")
"""States in which a package is complete: triggers only refresh what others made of its files."""


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
        try:
            with open(self._file_list or "", encoding="utf-8", errors="surrogateescape") as file:
                return [line.rstrip("\n") for line in file if line.startswith(prefix)]
        except OSError:
            return []


class InstalledPackages:
    """dpkg's database at one moment."""

    def __init__(self, directory: str = ADMIN_DIRECTORY) -> None:
        """Read the database.

        Raises:
            OSError: it cannot be read.
        """
        self._directory = directory
        with open(os.path.join(directory, "status"), "rb") as file:
            self._text = b"\n" + file.read()

    def named(self, prefix: str) -> Iterator[InstalledPackage]:
        """Yield the packages whose names start like this; one of several architectures each time."""
        start = b"\nPackage: " + prefix.encode("utf-8", "replace")
        place = self._text.find(start)
        while place >= 0:
            end = self._text.find(b"\n\n", place + 1)
            fields = dict(_fields(self._text[place + 1 : end if end >= 0 else None]))
            if fields.get(b"status", b"").endswith(_INSTALLED):
                yield self._package(fields)
            place = self._text.find(start, place + 1)

    def __contains__(self, name: object) -> bool:
        """Return whether a package of exactly this name is installed, of any architecture."""
        return isinstance(name, str) and any(found.name == name for found in self.named(name))

    def _package(self, fields: dict[bytes, bytes]) -> InstalledPackage:
        name, architecture = _text(fields, b"package"), _text(fields, b"architecture")
        return InstalledPackage(name, _text(fields, b"version"), *self._file_list(name, architecture))

    def _file_list(self, name: str, architecture: str) -> tuple[str | None, float | None]:
        """Return the path of a package's file list, and when it was written."""
        for stem in (name, f"{name}:{architecture}"):
            path = os.path.join(self._directory, "info", f"{stem}.list")
            try:
                return path, os.stat(path).st_mtime
            except (OSError, ValueError):
                continue
        return None, None


def _fields(stanza: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in stanza.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and not line.startswith((b" ", b"\t")):
            yield name.lower(), value.strip()


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")
