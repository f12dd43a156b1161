"""Reads the row of this release from distro-info-data, the distributions' own dates.

The package's data differ between releases of the distribution: columns are found by their names, and a row may have
fewer fields than the header.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from agent.core.model.release import Release
from agent.core.pattern import lazy_pattern
from agent.core.policy.distro import Distro
from agent.core.release_support import UnknownEnd
from agent.errors import HostError
from agent.host.machine.os_release import read_distro

_DIRECTORY = Path("/usr/share/distro-info")
_ID = lazy_pattern("[a-z0-9][a-z0-9._-]*")
"""os-release(5), ID."""


def read_release(directory: Path = _DIRECTORY) -> Release | None:
    """Return this machine's release with its row; None if os-release(5) does not name a distribution."""
    try:
        distro = read_distro()
    except HostError:
        return None
    return release_of(distro, directory) if distro.id else None


def release_of(distro: Distro, directory: Path = _DIRECTORY) -> Release:
    """Return a release with its row of `DISTRIBUTION.csv`, or why there is none."""
    row, unknown = _row(distro, directory)
    return Release(
        distribution=distro.id, version=distro.version, codename=distro.codename, row=row or {}, unknown=unknown
    )


def _row(distro: Distro, directory: Path) -> tuple[Mapping[str, str] | None, UnknownEnd | None]:
    if not _ID.fullmatch(distro.id):
        return None, UnknownEnd.NO_DATA
    try:
        with (directory / f"{distro.id}.csv").open(encoding="utf-8", errors="replace", newline="") as file:
            rows = [_named(row) for row in csv.DictReader(file)]
    except (OSError, csv.Error):
        return None, UnknownEnd.NO_DATA
    found = next((row for row in rows if _is(row, distro)), None)
    return found, None if found is not None else UnknownEnd.NOT_LISTED


def _named(row: Mapping[str | None, str | list[str] | None]) -> dict[str, str]:
    """Return the fields of a row that have a column and a value."""
    return {name: value.strip() for name, value in row.items() if name and isinstance(value, str) and value.strip()}


def _is(row: Mapping[str, str], distro: Distro) -> bool:
    """Whether a row is of this release: by its codename, or without one by its number ("22.04 LTS")."""
    if distro.codename:
        return row.get("series") == distro.codename
    return bool(distro.version) and row.get("version", "").partition(" ")[0] == distro.version
