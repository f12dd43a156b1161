"""Reads the configured package sources and what apt has of them on disk.

From libapt's list of sources and the files, and not from libapt's cache, which omits empty suites.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import apt_pkg

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern
from agent.core.policy.origins import OriginPattern, ReleaseFields
from agent.core.redact import redact
from agent.host.apt.errors import libapt_errors
from agent.host.apt.release_file import find_release

_PACKAGES = "Debian Package Index"
_DESCRIBED = lazy_pattern(r"\((?P<path>(?P<plain>/.*Packages)(?:\.\w+)?)\)$")
"""The end of `IndexFile.describe`: the file that libapt uses."""
_ARCHITECTURE = lazy_pattern(r"(?:(?P<component>.*)/)?binary-(?P<architecture>[^/]+)/Packages")


@frozen
class PackageList:
    """One Packages file of a source for this machine's architecture."""

    component: str
    architecture: str
    """Empty in a suite without components."""
    index: str
    """Its path relative to the Release file, as listed there."""
    path: str
    """The file on disk."""
    exists: bool


class Source:
    """One configured source: a URI, a suite, and the lists that apt fetches from it."""

    def __init__(self, meta: apt_pkg.MetaIndex) -> None:
        self._meta = meta
        self.trusted = meta.is_trusted
        self.name = redact(f"{_without_login(meta.uri).rstrip('/')} {meta.dist}")
        """URI, without credentials, and suite: as in documents, which do not have them either."""
        self.scheme = meta.uri.partition(":")[0]
        self._lists_directory = apt_pkg.config.find_dir("Dir::State::Lists")
        self._indexes = tuple((part.label, part.describe, part.exists) for part in meta.index_files)
        self.file_prefix = self._find_prefix()
        """What the names of all of its files in apt's lists begin with."""
        self.mirror_list = apt_pkg.uri_to_filename(meta.uri.rstrip("/"))
        """The name of its list of mirrors, if it has one (apt-transport-mirror(1))."""
        self.path_prefix = self._lists_directory + self.file_prefix
        self.release = find_release(self.path_prefix)

    @cached_property
    def lists(self) -> tuple[PackageList, ...]:
        """The Packages files for this machine's architecture; empty for deb-src, for example."""
        native = apt_pkg.config.find("APT::Architecture")
        found = tuple(self._package_lists())
        if not any(one.architecture in {native, ""} for one in found):
            return ()
        separate = self.release is not None and self.release.has_all_lists
        wanted = {native, "", "all"} if separate else {native, ""}
        return tuple(one for one in found if one.architecture in wanted or one.exists)

    def field(self, name: str) -> str:
        """Return a field of the Release file; empty without one."""
        return self.release.field(name) if self.release is not None else ""

    @property
    def fetched(self) -> bool:
        """Whether apt has a Release file, or lists of a source that has none."""
        return self.release is not None or any(one.exists for one in self.lists)

    @property
    def complete(self) -> bool:
        """Whether apt has every list that there is: then an empty suite has no update, and does not hide one."""
        return self.fetched and self.offered and not self.missing()

    @property
    def offered(self) -> bool:
        """Whether the suite can have packages for this machine: the architecture, a component, and an index for it."""
        if self.release is None or any(one.exists for one in self.lists):
            return True
        return any(self._supported(one) for one in self.lists)

    def time(self, field: str) -> datetime | None:
        """Return a date of the Release file ("Date", "Valid-Until"); None if it is missing or invalid."""
        return self.release.time(field) if self.release is not None else None

    def verified_at(self) -> datetime | None:
        """Return when apt last fetched or confirmed these lists, whoever ran it; None if that is unknown.

        A successful update sets the change time of the source's Release file even if nothing was new. A failed one
        does not, unless the server confirmed the file and libapt then refused it, as without its key. Copying an image
        renews change times, but keeps the modification time of apt's `partial` directory, which each update sets: the
        earlier of the two counts.
        """
        paths = (
            [self.release.path] if self.release is not None else [Path(one.path) for one in self.lists if one.exists]
        )
        try:
            last_update = Path(self._lists_directory, "partial").stat().st_mtime
            seconds = min([last_update, *(path.lstat().st_ctime for path in paths)])
        except OSError:
            return None
        return datetime.fromtimestamp(seconds, timezone.utc) if paths else None

    def listed_at(self) -> datetime | None:
        """Return when apt last put one of its Packages files into place; None without one."""
        times = []
        for one in self.lists:
            with suppress(OSError):
                times.append(Path(one.path).lstat().st_ctime)
        return datetime.fromtimestamp(max(times), timezone.utc) if times else None

    def offers(self, patterns: tuple[OriginPattern, ...]) -> bool:
        """Whether one of its package lists for this machine matches any pattern."""
        return any(pattern.matches(self._release_fields(one.component)) for one in self.lists for pattern in patterns)

    def missing(self) -> tuple[str, ...]:
        """Return the indexes that should be on disk and are not; an empty one need not be."""
        if self.release is None:
            return ()
        release = self.release
        return tuple(one.index for one in self.lists if not one.exists and release.promises(one.index))

    def unknown_components(self) -> tuple[str, ...]:
        """Return the configured components that the suite does not have."""
        if self.release is None:
            return ()
        release = self.release
        names = dict.fromkeys(one.component for one in self.lists if one.component and not one.exists)
        return tuple(name for name in names if not release.has_component(name))

    def _find_prefix(self) -> str:
        """Return the prefix with which libapt describes the source's indexes.

        libapt percent-encodes the suite in URIs (`Acquire::URIEncode`), and versions before 2.3 did not.
        """
        dist = self._meta.dist
        prefixes = []
        for name in (apt_pkg.quote_string(dist, apt_pkg.config.find("Acquire::URIEncode", "+~ ")), dist):
            # debReleaseIndex::MetaIndexURI: a suite that ends in "/" is a directory, and "/" alone the URI's own.
            directory = ("" if dist == "/" else name) if dist.endswith("/") else f"dists/{name}/"
            prefixes.append(apt_pkg.uri_to_filename(self._meta.uri + directory))
        beginnings = {prefix: f"({self._lists_directory}{prefix}" for prefix in prefixes}
        found = (p for p in prefixes if any(beginnings[p] in described for _, described, _ in self._indexes))
        return next(found, prefixes[0])

    def _package_lists(self) -> Iterator[PackageList]:
        for label, describe, exists in self._indexes:
            described = _DESCRIBED.search(describe) if label == _PACKAGES else None
            if described is None:
                continue
            # The inverse of libapt's URItoFileName, and of its encoding of the URI.
            index = unquote(unquote(described["plain"].removeprefix(self.path_prefix).replace("_", "/")))
            place = _ARCHITECTURE.fullmatch(index)
            yield PackageList(
                component=(place["component"] or "") if place else "",
                architecture=place["architecture"] if place else "",
                index=index,
                path=described["path"],
                exists=exists,
            )

    def _supported(self, one: PackageList) -> bool:
        release = self.release
        if release is None:
            return True
        if release.hides(one.index):
            return False
        return not one.component or (
            release.has_component(one.component) and release.has_architecture(one.architecture)
        )

    def _release_fields(self, component: str) -> ReleaseFields:
        return ReleaseFields(
            origin=self.field("Origin"),
            label=self.field("Label"),
            archive=self.field("Suite"),
            codename=self.field("Codename"),
            component=component,
            site=_host(self._meta.uri),
        )


def _host(uri: str) -> str:
    """Return the host of a URI; empty if it has none: apt accepts any text with a colon."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:  # "http://[host", "cdrom:[a/b]c"
        return ""


def read_sources(sources: apt_pkg.SourceList) -> tuple[Source, ...]:
    """Return every configured source."""
    return tuple(Source(meta) for meta in sources.list)


def configured_sources() -> apt_pkg.SourceList:
    """Read apt's list of sources.

    Raises:
        HostError: libapt cannot read it.
    """
    sources = apt_pkg.SourceList()
    with libapt_errors("the package sources cannot be read"):
        sources.read_main_list()
    return sources


def _without_login(uri: str) -> str:
    """Strip user and password from a URI as apt does, where `redact` would leave a mark of a known secret."""
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}" if separator else uri
