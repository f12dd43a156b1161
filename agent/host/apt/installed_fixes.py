"""Searches the changelogs of all installed packages for a CVE. Bounded in time; nothing is downloaded."""

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import apt_pkg

from agent.core.packages.changelog import parse_entries
from agent.core.packages.explain_cve import InstalledFix, InstalledFixes
from agent.core.packages.verify import HEALTHY_STATES
from agent.host.apt.changelog_files import installed_lines
from agent.host.dpkg import database as dpkg_database

_TIME_LIMIT_S = 20.0
"""Ten times what two thousand packages take."""
Packages = Mapping[tuple[str, str], Sequence[str]]
"""Names of installed packages by source and source version."""


def find_installed_fixes(cve: str, time_limit_s: float = _TIME_LIMIT_S) -> InstalledFixes:
    """Return the installed source packages whose changelog names a CVE.

    Raises:
        HostError: dpkg's status file cannot be read.
    """
    deadline = time.monotonic() + time_limit_s
    found: list[InstalledFix] = []
    read, search = 0, _CveSearch(cve)
    for (source, version), packages in sorted(_installed().items()):
        if time.monotonic() > deadline:
            return InstalledFixes(found=tuple(found), read=read, complete=False)
        text = _changelog(packages, version)
        read += bool(text)
        fixed_in = search.first_version(text, version)
        if fixed_in is not None:
            fix = InstalledFix(source=source, installed=version, fixed_in=fixed_in, packages=tuple(packages))
            found.append(fix)
    return InstalledFixes(found=tuple(found), read=read)


def _installed() -> Packages:
    states, found = dpkg_database.states(), defaultdict[tuple[str, str], set[str]](set)
    for package, (source, version) in dpkg_database.sources().items():
        if package in states and states[package].state in HEALTHY_STATES:
            found[source, version].add(package.name)
    return {key: sorted(names) for key, names in found.items()}


def _changelog(packages: Sequence[str], version: str) -> str:
    """Return the changelog of the first of these packages that has one; empty if none has."""
    return next((text for name in packages if (text := "\n".join(installed_lines(name, version)))), "")


class _CveSearch:
    """Searches changelogs for one CVE; most do not hold its number, and are not parsed."""

    def __init__(self, cve: str) -> None:
        self._cve = cve
        _, year, self._number = cve.split("-")
        self._joined = re.compile(rf"{year}[^0-9a-zA-Z]\s{{0,40}}[0-9]{{0,9}}[\[{{]")
        """Numbers that are written together: the whole number may not stand in the text."""

    def first_version(self, text: str, installed: str) -> str | None:
        """Return the lowest version, up to the installed one, whose entry names the CVE; None if no entry does."""
        if self._number not in text and self._joined.search(text) is None:
            return None
        versions = [
            entry.version
            for entry in parse_entries(text.split("\n"))
            if self._cve in entry.cves and apt_pkg.version_compare(entry.version, installed) <= 0
        ]
        return versions[-1] if versions else None
