"""Reads the Release file of a package source from apt's lists, as libapt does (apt-pkg/deb/debmetaindex.cc)."""

import os
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path

from agent.core.pattern import lazy_pattern

_ENTRY = lazy_pattern(r"\s+[0-9a-fA-F]+\s+(?P<size>\d+)\s+(?P<name>\S+)")
"""A line of a checksum field."""


class ReleaseFile:
    """One `InRelease` or `Release` file; libapt verified its signature before it put it there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def field(self, name: str) -> str:
        """Return a single-line field, its name in any case; empty if it is missing."""
        return self._fields.get(name.lower(), "")

    def time(self, field: str) -> datetime | None:
        """Return a date ("Date", "Valid-Until"); None if it is missing or invalid."""
        try:
            parsed = parsedate_to_datetime(self.field(field).replace("UTC", "+0000"))
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)

    def has_component(self, component: str) -> bool:
        """Whether the suite has a component; without a list of them it has any.

        An entry "updates/main" also stands for "main".
        """
        known = self.field("Components").split()
        return not known or component in known or component in {one.rpartition("/")[2] for one in known}

    def has_architecture(self, architecture: str) -> bool:
        """Whether the suite has an architecture; without a list of them it has any."""
        known = self.field("Architectures").split()
        return not known or architecture in known

    @property
    def has_all_lists(self) -> bool:
        """Whether apt fetches separate lists of packages for all architectures."""
        return self.has_architecture("all") and "Packages" not in self.field("No-Support-for-Architecture-all")

    def promises(self, index: str) -> bool:
        """Whether the suite has this index, and it is not empty."""
        return self._sizes.get(index, "0") != "0"

    def hides(self, index: str) -> bool:
        """Whether the suite lists this index only in packed forms: libapt ignores such an index silently."""
        return index not in self._sizes and any(name.startswith(f"{index}.") for name in self._sizes)

    @cached_property
    def _fields(self) -> dict[str, str]:
        with self.path.open(encoding="utf-8", errors="replace") as file:
            lines = (line for line in file if ":" in line and line[0] not in " \t#-")
            pairs = [line.partition(":") for line in lines]
        return {name.lower(): value.strip() for name, _, value in reversed(pairs)}

    @cached_property
    def _sizes(self) -> dict[str, str]:
        with self.path.open(encoding="utf-8", errors="replace") as file:
            found = (_ENTRY.fullmatch(line.rstrip()) for line in file if line.startswith(" "))
            return {entry["name"]: entry["size"] for entry in found if entry is not None}


def find_release(prefix: str) -> ReleaseFile | None:
    """Return the Release file whose path begins with this prefix; None if there is none, or it cannot be read."""
    for name in ("InRelease", "Release"):
        path = Path(f"{prefix}{name}")
        if path.is_file() and os.access(path, os.R_OK):
            return ReleaseFile(path)
    return None
