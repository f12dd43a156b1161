"""Reads changelogs, at idle priority, from archives and from installed files.

Archives that are not in apt's archive directory are downloaded to a directory of this process and removed at once.
No package manager lock is held while reading, nor another one: a job and a dry run may read at the same time.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import apt_pkg

from agent.core.frozen import frozen, replace
from agent.core.job_control import JobControl
from agent.core.packages.cves import ChangelogFindings, Findings, VersionChange
from agent.core.packages.source_version import source_version
from agent.core.policy.policy import Policy
from agent.core.ports import Archive, ChangelogRequest
from agent.host.apt.acquire_progress import AcquireProgress
from agent.host.apt.archives import archive_paths
from agent.host.apt.cache import PackageCache
from agent.host.apt.changelog_files import Archives, ChangelogQuery, in_archives, installed
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors
from agent.host.apt.marks import find_version
from agent.host.dpkg import database as dpkg_database
from agent.host.machine.disk import free_bytes
from agent.host.process.deadline import with_time_limit
from agent.host.process.idle import run_idle
from agent.state.process_id import alive_pid, own_process_id

_MAX_DOWNLOAD_BYTES = 256 * 1024 * 1024
"""Per check, for archives that are only read."""
_LATE = "out of time"
_READING_TIME = timedelta(minutes=5)
_READING_INSTALLED_S = 2.0


@frozen
class _Item:
    """A requested changelog and where to read it."""

    subject: VersionChange
    query: ChangelogQuery
    path: str
    """Of the archive; a bare file name if it is not downloaded yet."""
    sha256: str
    uri: str
    size: int


class ChangelogReader:
    """Reads the changelogs of pending updates."""

    def __init__(self, policy: Policy, *, scratch: Path, control: JobControl) -> None:
        """Archives that are only read get a directory beside `scratch`. Requires `cache.configure`."""
        self._origins = policy.security.origins
        self._timeout = policy.apt.refresh_timeout
        self._scratch = scratch
        self._own = Path(f"{scratch}-{own_process_id().replace(' ', '-')}")
        self._control = control
        self.missing: tuple[VersionChange, ...] = ()
        """Of the last `read`: those that no archive here has, and that were not to be downloaded."""

    def read(
        self, cache: PackageCache, wanted: Sequence[ChangelogRequest]
    ) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        """Read changelogs from archives; requests without an archive, local or downloadable, are omitted."""
        security, anywhere = cache.allowed(self._origins) & cache.trusted, frozenset(cache.releases) & cache.trusted
        with libapt_errors("apt cannot read its packages"):
            found = [(one, _item(cache, one, security if one.security else anywhere)) for one in wanted]
        items = [self._with_path(item) for _, item in found if item is not None]
        local = [item for item in items if not self._is_own(item) and Path(item.path).exists()]
        elsewhere = {item.subject for item in items if not self._is_own(item)}
        self.missing = tuple(one.subject for one, _ in found if not one.may_fetch and one.subject not in elsewhere)
        with self._downloaded([item for item in items if item not in local and item.uri]) as fetched:
            yield from self._read([*local, *fetched])

    def _with_path(self, item: _Item) -> _Item:
        """Set the download path of an archive that is not local."""
        return item if Path(item.path).is_absolute() else replace(item, path=str(self._own / item.path))

    def _is_own(self, item: _Item) -> bool:
        """Whether its path is in this process's directory: neither apt's, nor of a repository on this machine."""
        return Path(item.path).parent == self._own

    @contextmanager
    def _downloaded(self, items: Sequence[_Item]) -> Iterator[list[_Item]]:
        """Download archives that are only read; they are removed after the block."""
        if not items:
            yield []
            return
        _remove_leftovers(self._scratch)
        with libapt_errors("changelogs cannot be downloaded"):
            try:
                _make_download_directory(self._own)
                yield self._download(items)
            finally:
                shutil.rmtree(self._own, ignore_errors=True)

    def _download(self, items: Sequence[_Item]) -> list[_Item]:
        fetcher = apt_pkg.Acquire(AcquireProgress(with_time_limit(self._control, self._timeout, _LATE)))
        left = min(_MAX_DOWNLOAD_BYTES, free_bytes(str(self._own)) // 2)
        requested: list[tuple[_Item, apt_pkg.AcquireFile]] = []
        for item in sorted(items, key=lambda one: one.size):
            left -= item.size
            if left >= 0 and item.sha256:
                name = item.subject.package
                file = apt_pkg.AcquireFile(
                    fetcher, item.uri, f"SHA256:{item.sha256}", item.size, name, name, destfile=item.path
                )
                requested.append((item, file))
        self._control.progress(f"downloading {len(requested)} packages to read their changelogs")
        with suppress(*LIBAPT_ERRORS):  # failures are read from the items
            fetcher.run()
        return [item for item, file in requested if file.complete and file.status == file.STAT_DONE]

    def _read(self, items: Sequence[_Item]) -> Iterator[tuple[VersionChange, ChangelogFindings | None]]:
        """Read in a child process; an archive that crashes it is skipped."""
        left = list(items)
        control = with_time_limit(self._control, _READING_TIME, _LATE)
        while left and not control.stop():
            self._control.progress(f"reading the changelogs of {len(left)} packages")
            count = 0
            with closing(run_idle(partial(_answers, left, items), control)) as answers:
                for item, answer in zip(list(left), answers, strict=False):
                    count += 1
                    if "cves" in answer:
                        yield item.subject, _findings(answer)
            if count < len(left) and not control.stop():
                yield left[count].subject, None
                count += 1
            left = left[count:]


def read_installed(subjects: Sequence[VersionChange]) -> Findings:
    """Read installed changelogs of packages just upgraded; omits the rest when its time is up.

    Raises:
        HostError: dpkg's status file cannot be read.
    """
    deadline = time.monotonic() + _READING_INSTALLED_S
    sources = dpkg_database.sources()
    found: dict[VersionChange, ChangelogFindings | None] = {}
    for subject in subjects:
        known = sources.get(subject.id)
        if known is None or time.monotonic() > deadline:
            continue
        source, candidate = known
        if candidate == source_version(subject.candidate):  # else the previous source is unknown
            before = source_version(subject.installed)
            query = ChangelogQuery(package=subject.package, source=source, installed=before, candidate=candidate)
            found[subject] = installed(query)
    return found


def _make_download_directory(directory: Path) -> None:
    """Create a directory owned by apt's download user."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700)
    with suppress(LookupError):  # without such a user apt downloads as root
        shutil.chown(directory, user=apt_pkg.config.find("APT::Sandbox::User", "root"))


def _remove_leftovers(scratch: Path) -> None:
    """Remove the directories of processes that were killed; `scratch` itself is that of earlier versions."""
    for one in (scratch, *scratch.parent.glob(f"{scratch.name}-*")):
        if alive_pid(one.name[len(scratch.name) :].replace("-", " ")) is None:
            shutil.rmtree(one, ignore_errors=True)


def _source(cache: PackageCache, version: apt_pkg.Version, place: tuple[apt_pkg.PackageFile, int]) -> tuple[str, str]:
    """Return source name and version; a package lists them only if they differ from its own."""
    cache.records.lookup(place)
    name = cache.records.source_pkg or version.parent_pkg.name
    return name, cache.records.source_ver or source_version(version.ver_str)


def _item(cache: PackageCache, wanted: ChangelogRequest, files: frozenset[int]) -> _Item | None:
    """Locate a changelog; None unless one of these index files offers the version and its stanza can be read."""
    try:
        return _readable_item(cache, wanted, files)
    except UnicodeDecodeError:  # any field may hold any bytes: the findings of this package stay unknown
        return None


def _readable_item(cache: PackageCache, wanted: ChangelogRequest, files: frozenset[int]) -> _Item | None:
    subject = wanted.subject
    version = find_version(cache, subject.package, subject.architecture, subject.candidate, files)
    current = version.parent_pkg.current_ver if version is not None else None
    if version is None or current is None or current.ver_str != subject.installed:
        return None
    _, before = _source(cache, current, current.file_list[0])
    # Two origins may offer different packages with one version: read only from an allowed one.
    place = next(place for place in version.file_list if place[0].id in files)
    source, candidate = _source(cache, version, place)
    meta = cache.sources.find_index(place[0])
    uri = meta.archive_uri(cache.records.filename) if meta is not None else ""
    usual = Archive(package=subject.package, architecture=version.arch, version=subject.candidate)
    extension = os.path.basename(cache.records.filename).rpartition(".")[2] or "deb"
    paths = tuple(path.with_suffix(f".{extension}") for path in archive_paths(usual))
    path = str(next((path for path in paths if path.exists()), paths[0].name))
    return _Item(
        subject=subject,
        query=ChangelogQuery(package=subject.package, source=source, installed=before, candidate=candidate),
        path=apt_pkg.dequote_string(uri.removeprefix("file:")) if uri.startswith("file:") else path,
        sha256=cache.records.sha256_hash,
        uri=uri if wanted.may_fetch else "",
        size=version.size,
    )


def _answers(left: Sequence[_Item], items: Sequence[_Item]) -> Iterator[dict[str, object]]:
    """Run in the child: yield one document per remaining item, without `cves` if it cannot be read yet."""
    archives: Archives = {
        (item.query.package, item.query.source, item.query.candidate): item.path
        for item in items
        if _sha256(item.path) == item.sha256
    }
    for item in left:
        try:
            found = in_archives(item.query, archives)
        except LookupError:
            yield {}
            continue
        except (OSError, SystemError, ValueError):
            found = None
        if found is None:
            yield {"cves": None}
        else:
            yield {"cves": found.cves, "security_upload": found.security_upload, "complete": found.complete}


def _findings(answer: Mapping[str, object]) -> ChangelogFindings | None:
    cves = answer["cves"]
    if not isinstance(cves, list):
        return None
    return ChangelogFindings(
        cves=tuple(cves), security_upload=bool(answer["security_upload"]), complete=bool(answer["complete"])
    )


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with suppress(OSError), open(path, "rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()
