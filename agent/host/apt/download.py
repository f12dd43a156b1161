"""Downloads and verifies the packages of a plan, before dpkg's locks are taken."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apt_pkg

from agent.core.frozen import frozen
from agent.core.job_control import JobControl
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.errors import ChangedError, HostError, StoppedError
from agent.host.apt.acquire_progress import AcquireProgress
from agent.host.apt.archive_items import archive_items
from agent.host.apt.cache import PackageCache
from agent.host.apt.disk_space import require_space
from agent.host.apt.errors import LIBAPT_ERRORS, error_text, libapt_errors, plain_error
from agent.host.apt.marks import find_version, mark, mark_replaced, marked
from agent.host.dpkg.conffiles import conffile_prompts
from agent.host.locks import LockWaiter, locked


@frozen
class AptDownload:
    """A download, behind the port `agent.core.ports.Download`."""

    failed: dict[PackageId, str]
    """Error by package; all other packages are verified and in apt's archive directory."""
    downloaded_bytes: int
    steps: tuple[Step, ...]
    archives: Mapping[PackageId, Path]
    """Paths of all verified packages, including those that were already there."""

    def conffile_prompts(self) -> Mapping[PackageId, str]:
        """Return which of the steps would make dpkg prompt, each with the files and why."""
        return conffile_prompts(self.archives, self.steps)


class _DownloadProgress(AcquireProgress):
    """Reports download progress."""

    def __init__(self, control: JobControl) -> None:
        super().__init__(control)
        self._reported_at = 0.0

    def pulse(self, owner: apt_pkg.Acquire) -> bool:
        """Report progress once a second; return False, which cancels the download, after a stop request."""
        if time.monotonic() - self._reported_at >= 1:
            self._reported_at = time.monotonic()
            done, total = self.current_bytes / 1e6, self.total_bytes / 1e6
            self._control.progress(
                f"downloading {self.current_items} of {self.total_items} packages, {done:.1f} of {total:.1f} MB"
            )
        return super().pulse(owner)


def mark_exactly(cache: PackageCache, steps: Sequence[Step], allowed: frozenset[int]) -> None:
    """Mark exactly these steps; verify that libapt would do nothing else.

    Raises:
        ChangedError: the machine changed since the plan was made.
    """
    depcache = cache.depcache
    with apt_pkg.ActionGroup(depcache):
        for step in steps:
            # A reinstall keeps the version, so any authenticated origin of that version will do.
            files = frozenset(cache.releases) if step.interrupted or step.installed == step.candidate else allowed
            version = find_version(cache, step.package, step.architecture, step.candidate, files & cache.trusted)
            current = version.parent_pkg.current_ver if version is not None else None
            if version is None or (current.ver_str if current is not None else None) != step.installed:
                raise ChangedError(f"{step.label} {step.candidate} changed since the plan was made")
            if version.parent_pkg.selected_state == apt_pkg.SELSTATE_HOLD:
                raise ChangedError(f"{step.label} was put on hold since the plan was made")
            if step.installed == step.candidate:
                depcache.set_reinstall(version.parent_pkg, True)
            else:
                mark(cache, version, with_dependencies=False)
        removed = mark_replaced(cache, steps)
    expected = {(step.package, step.architecture, step.candidate) for step in steps if step.installed != step.candidate}
    actual = {(v.parent_pkg.name, v.parent_pkg.architecture, v.ver_str) for v in _marked_of(cache, steps)}
    if actual != expected or not cache.breaks_nothing(removed=removed):
        raise ChangedError("libapt would do more than was planned")


def _marked_of(cache: PackageCache, steps: Sequence[Step]) -> list[apt_pkg.Version]:
    """Return all versions that are marked; walks all of apt's packages only if more than these steps may be."""
    depcache = cache.depcache
    found = []
    for step in steps:
        package = cache.pkg_cache[step.package, step.architecture]
        version = depcache.get_candidate_ver(package)
        if version is not None and (depcache.marked_upgrade(package) or depcache.marked_install(package)):
            found.append(version)
    return found if len(found) == len(steps) == depcache.inst_count else marked(cache)


def fetch(
    cache: PackageCache,
    steps: Sequence[Step],
    *,
    download_log: Path | None,
    waiter: LockWaiter,
    control: JobControl,
) -> AptDownload:
    """Download the packages of the steps, which are marked, into apt's archive directory; libapt verifies each file.

    File names are first written to the download log, if there is one, so that they can be removed even after a crash.

    Raises:
        BusyError: another program holds the lock of the archive directory.
        NoSpaceError: the plan does not fit.
        StoppedError: a stop was requested.
        HostError: libapt fails, or the download log cannot be written.
    """
    archives = apt_pkg.config.find_dir("Dir::Cache::archives")
    fetcher = apt_pkg.Acquire(_DownloadProgress(control))
    with locked(f"{archives}lock", waiter), libapt_errors("the packages cannot be downloaded"):
        fetcher.get_lock(archives)  # creates the directory for partial downloads, owned by apt's user
        manager = apt_pkg.PackageManager(cache.depcache)
        manager.get_archives(fetcher, cache.sources, cache.records)
        items = archive_items(cache, fetcher, steps)
        require_space(cache, fetcher, steps, archives)
        wanted = [item for item in fetcher.items if not item.complete]
        _log_downloads(download_log, [os.path.basename(item.destfile) for item in wanted if item.destfile])
        with suppress(*LIBAPT_ERRORS):  # failures are read from the items
            fetcher.run()
        if reason := control.stop():
            raise StoppedError(f"{reason}: stopped while downloading; nothing more was installed")
    return AptDownload(
        failed={package: _error(item) for package, item in items if not _usable(item)},
        downloaded_bytes=sum(item.filesize for item in wanted if _usable(item)),
        steps=tuple(steps),
        archives={package: Path(item.destfile) for package, item in items if _usable(item)},
    )


def _log_downloads(download_log: Path | None, names: Sequence[str]) -> None:
    """Append the names of archives before their download, synced to disk: a power cut leaves no unlisted archive."""
    if download_log is None or not names:
        return
    try:
        with download_log.open("a", encoding="utf-8", errors="surrogateescape") as file:  # names of any bytes
            file.writelines(f"{name}\n" for name in names)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise HostError(f"{download_log}: cannot be written: {error.strerror}") from error


def _usable(item: apt_pkg.AcquireItem) -> bool:
    return item.complete and item.status == item.STAT_DONE and item.is_trusted


def _error(item: apt_pkg.AcquireItem) -> str:
    if item.complete and not item.is_trusted:
        return "the archive it comes from is not authenticated"
    return plain_error(error_text(item)) or "not downloaded"
