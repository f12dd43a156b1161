"""The configured package sources and what their Release files on disk say.

Read from these files and not from libapt's cache, which does not know a suite that is still empty.
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
    """One Packages file that a source is to bring for this machine's own architecture."""

    component: str
    path: str
    """Its place below the suite, as the Release file lists it."""
    exists: bool


class Source:
    """One configured source: an URI, a suite, and the lists that apt is to fetch from there."""

    def __init__(self, meta: apt_pkg.MetaIndex) -> None:
        self._meta = meta
        self.dist = meta.dist
        self.trusted = meta.is_trusted
        self.name = f"{_without_secrets(meta.uri).rstrip('/')} {meta.dist}"
        """URI, without user and password, and suite: as libapt describes its items, and fit to be shown."""

    @cached_property
    def lists(self) -> tuple[PackageList, ...]:
        """The Packages files for this machine's architecture; none where the source brings only sources, say."""
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
        """The single-line fields of the Release file; empty where there is none."""
        if self._release is None:
            return {}
        with self._release.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_HEAD_BYTES).splitlines()
        pairs = (line.partition(":") for line in lines if ":" in line and not line.startswith(" "))
        return {name: value.strip() for name, _, value in pairs}

    @property
    def fetched(self) -> bool:
        """Whether there is a Release file at all."""
        return self._release is not None

    @property
    def home(self) -> str:
        """What the paths of all its lists on disk begin with; of a source that was fetched."""
        return str(self._release).removesuffix("Release").removesuffix("In")

    def time(self, field: str) -> datetime | None:
        """Return a time that the Release file gives ("Date", "Valid-Until")."""
        try:
            moment = parsedate_to_datetime(self.fields[field].replace("UTC", "+0000"))
        except (KeyError, TypeError, ValueError):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    def offers(self, patterns: tuple[OriginPattern, ...]) -> bool:
        """Whether one of its package lists for this machine is an allowed origin."""
        return any(pattern.matches(self._described(one.component)) for one in self.lists for pattern in patterns)

    def missing(self) -> tuple[str, ...]:
        """Return package lists that should be on disk and are not; one that the archive says is empty is none."""
        return tuple(one.path for one in self.lists if not one.exists and not self._is_empty(one))

    def _described(self, component: str) -> ReleaseFields:
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
        place = base + (self.dist.removeprefix("./").lstrip("/") if flat else f"dists/{self.dist}/")
        lists = apt_pkg.config.find_dir("Dir::State::Lists")
        for name in ("InRelease", "Release"):
            path = Path(lists, apt_pkg.uri_to_filename(place + name))
            if path.is_file() and os.access(path, os.R_OK):
                return path
        return None


def read_sources(sources: apt_pkg.SourceList) -> tuple[Source, ...]:
    """Return every configured source."""
    return tuple(Source(meta) for meta in sources.list)


def source_of(description: str, names: tuple[str, ...]) -> str | None:
    """Return which source (by name) one of libapt's descriptions of an item or error speaks of."""
    fitting = (name for name in names if description == name or description.startswith((f"{name}/", f"{name} ")))
    return max(fitting, key=len, default=None)


def _without_secrets(uri: str) -> str:
    """Strip user and password from an URI."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else uri
