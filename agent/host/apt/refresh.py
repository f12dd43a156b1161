"""Fetches the package lists and reports errors per source.

Errors are classified: network down, repository gone, signature missing or bad, lists expired. apt treats most of these
as warnings.
"""

import os
import re
import time
from datetime import timedelta

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.model.facts import SourceError, SourceFault
from agent.errors import StoppedError
from agent.host.apt.acquire_progress import AcquireProgress
from agent.host.apt.errors import libapt_errors, plain_error
from agent.host.apt.sources import read_sources, source_of
from agent.host.locks import LockWaiter, locked

_PATTERNS: tuple[tuple[SourceFault, str], ...] = (
    # apt's English messages (LC_ALL=C is set); the first match wins.
    (SourceFault.EXPIRED, r"is expired|is not valid yet|Valid-Until"),
    (SourceFault.UNSIGNED, r"is not signed|no longer signed|insecure"),
    (SourceFault.BAD_SIGNATURE, r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|signature|not signed by|Missing key|sqv|gpgv"),
    (SourceFault.CORRUPT, r"Hash Sum mismatch|unexpected size|Clearsigned file|Unable to parse|Mirror sync"),
    (SourceFault.NOT_FOUND, r"\b40[34]\b|\b410\b|File not found|No such file|a Release file"),
    (
        SourceFault.UNREACHABLE,
        r"Could not connect|Could not resolve|Temporary failure|Connection (failed|refused|timed out|reset)|timed out"
        r"|Unable to connect|Network is unreachable|\b50[0-9]\b|Cannot initiate|Undetermined|closed connection",
    ),
)
_REPOSITORIES = (
    # Messages in libapt's summary that name a repository instead of one of its files.
    re.compile(r"repository '(?P<uri>\S+) (?P<suite>[^' ]+)[^']*'"),
    re.compile(r"(?:GPG error|[Ss]ignature verification failed): (?P<uri>\S+) (?P<suite>\S+) "),
    re.compile(r"Release file for (?P<uri>\S+?)/dists/(?P<suite>\S+)/(?:In)?Release "),
)
_DPKG_MESSAGE = re.compile(r"needs to be reinstalled")
"""From libapt when it reopens its cache after fetching; reported as a repair, not as an error of a source."""
_PULSE_US = 250_000


class _RefreshProgress(AcquireProgress):
    """Progress callbacks for a refresh: collects failures and enforces the deadline."""

    def __init__(self, deadline: float, control: JobControl) -> None:
        super().__init__(control)
        self.failed: list[tuple[str, str]] = []
        self.timed_out = False
        self._deadline = deadline

    def media_change(self, medium: str, drive: str) -> bool:
        """Record the failure and return False: do not wait for a media change."""
        self.failed.append((medium, f"requires the disc {medium} in {drive}"))
        return False

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Report an unchanged list."""
        self._control.progress(item.description)

    def fetch(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Report a list that is being fetched."""
        self._control.progress(item.description)

    def fail(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Record the item's error; items that were not needed have none."""
        if item.owner.error_text:
            self.failed.append((item.description, plain_error(item.owner.error_text)))

    def pulse(self, owner: apt_pkg.Acquire) -> bool:
        """Return False, which cancels the fetch, after the deadline or a stop request."""
        self.timed_out = time.monotonic() > self._deadline
        return not self.timed_out and super().pulse(owner)


def refresh(timeout: timedelta, waiter: LockWaiter, control: JobControl) -> tuple[SourceError, ...]:
    """Fetch the lists of every configured source; return errors, at most one per source.

    Raises:
        BusyError: another program holds the lists' lock.
        HostError: the sources cannot be read.
        StoppedError: a stop was requested.
    """
    # libapt's ListUpdate takes the lock without waiting for it, so wait for it here and release it.
    with locked(f"{apt_pkg.config.find_dir('Dir::State::Lists')}lock", waiter):
        pass
    sources = apt_pkg.SourceList()
    with libapt_errors("the package sources cannot be read"):
        sources.read_main_list()
        cache = _empty_cache()
    message = ""
    progress = _RefreshProgress(time.monotonic() + timeout.total_seconds(), control)
    try:
        cache.update(progress, sources, _PULSE_US)
    except SystemError as error:
        message = plain_error(str(error))
    if reason := control.stop():
        raise StoppedError(f"{reason}: stopped while fetching the package lists; the previous ones are kept")
    return tuple(_errors(progress, message, timeout, tuple(source.name for source in read_sources(sources))))


def _empty_cache() -> apt_pkg.Cache:
    """Open a cache of installed packages only, which libapt requires for an update.

    A cache of the current lists may fail to open exactly when a refresh would repair it: with a damaged list, or with
    an `APT::Default-Release` that was never fetched.
    """
    overrides = {
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": os.devnull,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Default-Release": "",
    }
    saved = {key: apt_pkg.config.find(key) for key in overrides}
    try:
        for key, value in overrides.items():
            apt_pkg.config.set(key, value)
        return apt_pkg.Cache(None)
    finally:
        for key, value in saved.items():
            apt_pkg.config.set(key, value)


def fault_of(message: str) -> SourceFault:
    """Classify one of apt's messages."""
    return next((fault for fault, pattern in _PATTERNS if re.search(pattern, message)), SourceFault.OTHER)


def _errors(progress: _RefreshProgress, message: str, timeout: timedelta, names: tuple[str, ...]) -> list[SourceError]:
    if progress.timed_out:
        detail = f"fetching was stopped after {timeout.total_seconds():.0f} s (apt.refresh_timeout)"
        return [SourceError(source="all sources", fault=SourceFault.UNREACHABLE, detail=detail)]
    found: dict[str, SourceError] = {}
    for source, detail in progress.failed:
        name = source_of(source, names) or source
        found.setdefault(name, SourceError(source=name, fault=fault_of(detail), detail=detail))
    message = "; ".join(part for part in message.split("; ") if part and not _DPKG_MESSAGE.search(part))
    found.update(_repository_errors(message, names))
    if message and not found:
        found[""] = SourceError(source="all sources", fault=fault_of(message), detail=message)
    return list(found.values())


def _repository_errors(message: str, names: tuple[str, ...]) -> dict[str, SourceError]:
    """Return errors of whole repositories in libapt's summary; they are more precise than those of single files."""
    found: dict[str, SourceError] = {}
    for part in message.split("; "):
        repository = next((match for pattern in _REPOSITORIES if (match := pattern.search(part))), None)
        if repository is not None and fault_of(part) is not SourceFault.NOT_FOUND:
            description = f"{repository['uri'].rstrip('/')} {repository['suite']}"
            name = source_of(description, names) or description
            found.setdefault(name, SourceError(source=name, fault=fault_of(part), detail=part))
    return found
