"""Reads the configured package sources and their Release files on disk.

The files and not libapt's cache, which omits empty suites.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import apt_pkg

from agent.core.policy.origins import OriginPattern, ReleaseFields

_PACKAGES = "Debian Package Index"
_DESCRIBED = re.compile(r"\S+ (?P<place>\S+) (?:(?P<architecture>\S+) )?Packages \(")
_HEAD_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """One Packages file of a source for this machine's architecture."""

    component: str
    path: str
    """Relative to the suite, as in the Release file."""
    exists: bool


class Source:
    """One configured source: a URI, a suite, and the lists that apt fetches from it."""

    def __init__(self, meta: apt_pkg.MetaIndex) -> None:
        self._meta = meta
        self.dist = meta.dist
        self.trusted = meta.is_trusted
        self.name = f"{_without_secrets(meta.uri).rstrip('/')} {meta.dist}"
        """URI, without user and password, and suite: libapt's description of its items."""

    @cached_property
    def lists(self) -> tuple[PackageList, ...]:
        """The Packages files for this machine's architecture; empty for deb-src, for example."""
        native = apt_pkg.config.find("APT::Architecture")
        found = []
        for part in self._meta.index_files:
            described = _DESCRIBED.match(part.describe) if part.label == _PACKAGES else None
            if described is not None and described["architecture"] in (native, None):
                component = described["place"].removeprefix(self.dist).lstrip("/")
                path = f"{component}/binary-{native}/Packages" if component else "Packages"
                found.append(PackageList(component=component, path=path, exists=part.exists))
        return tuple(found)

    @cached_property
    def fields(self) -> dict[str, str]:
        """The single-line fields of the Release file; empty without one."""
        if self._release is None:
            return {}
        with self._release.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_HEAD_BYTES).splitlines()
        pairs = (line.partition(":") for line in lines if ":" in line and not line.startswith(" "))
        return {name: value.strip() for name, _, value in pairs}

    @property
    def fetched(self) -> bool:
        """Whether a Release file exists."""
        return self._release is not None

    @property
    def path_prefix(self) -> str:
        """The common prefix of the paths of its lists on disk; requires `fetched`."""
        return str(self._release).removesuffix("Release").removesuffix("In")

    def time(self, field: str) -> datetime | None:
        """Return a date of the Release file ("Date", "Valid-Until"); None if it is missing or invalid."""
        try:
            parsed = parsedate_to_datetime(self.fields[field].replace("UTC", "+0000"))
        except (KeyError, TypeError, ValueError):
            return None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)

    def offers(self, patterns: tuple[OriginPattern, ...]) -> bool:
        """Whether one of its package lists for this machine matches any pattern."""
        return any(pattern.matches(self._release_fields(one.component)) for one in self.lists for pattern in patterns)

    def missing(self) -> tuple[str, ...]:
        """Return package lists that should be on disk and are not, except those listed as empty in the Release file."""
        return tuple(one.path for one in self.lists if not one.exists and not self._is_empty(one))

    def _release_fields(self, component: str) -> ReleaseFields:
        return ReleaseFields(
            origin=self.fields.get("Origin", ""),
            label=self.fields.get("Label", ""),
            archive=self.fields.get("Suite", ""),
            codename=self.fields.get("Codename", ""),
            component=component,
            site=urlsplit(self._meta.uri).hostname or "",
        )

    def _is_empty(self, one: PackageList) -> bool:
        if self._release is None:
            return False
        with self._release.open(encoding="utf-8", errors="replace") as file:
            return any(line.split()[1:] == ["0", one.path] for line in file if line.startswith(" "))

    @cached_property
    def _release(self) -> Path | None:
        base = _without_secrets(self._meta.uri).rstrip("/") + "/"
        flat = self.dist.endswith("/")
        directory = base + (self.dist.removeprefix("./").lstrip("/") if flat else f"dists/{self.dist}/")
        lists = apt_pkg.config.find_dir("Dir::State::Lists")
        for name in ("InRelease", "Release"):
            path = Path(lists, apt_pkg.uri_to_filename(directory + name))
            if path.is_file() and os.access(path, os.R_OK):
                return path
        return None


def read_sources(sources: apt_pkg.SourceList) -> tuple[Source, ...]:
    """Return every configured source."""
    return tuple(Source(meta) for meta in sources.list)


def source_of(description: str, names: tuple[str, ...]) -> str | None:
    """Return the name of the source that libapt's description of an item or error belongs to; None if unknown."""
    fitting = (name for name in names if description == name or description.startswith((f"{name}/", f"{name} ")))
    return max(fitting, key=len, default=None)


def _without_secrets(uri: str) -> str:
    """Strip user and password from a URI."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else uri
