"""Fetches the package lists and tells what became of each source.

Errors are kept per source and told apart: a network that is down, a repository that is gone, a signature
that is missing or bad, lists that have expired. apt itself calls most of these warnings and carries on.
"""

import os
import re
import time
from datetime import timedelta

import apt_pkg

from agent.core.model.facts import SourceError, SourceFault
from agent.core.ports import Progress, StopReason
from agent.errors import StoppedError
from agent.host.apt.acquire_progress import AcquireProgress
from agent.host.apt.errors import libapt_errors, plain_error
from agent.host.apt.sources import read_sources, source_of
from agent.host.locks import LockWaiter, locked

_WORDS: tuple[tuple[SourceFault, str], ...] = (
    # apt's English messages (LC_ALL=C is set); the first that matches names the fault.
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
_PLACES = (
    # Where libapt's summary names a repository rather than one of its files.
    re.compile(r"repository '(?P<uri>\S+) (?P<suite>[^' ]+)[^']*'"),
    re.compile(r"(?:GPG error|[Ss]ignature verification failed): (?P<uri>\S+) (?P<suite>\S+) "),
    re.compile(r"Release file for (?P<uri>\S+?)/dists/(?P<suite>\S+)/(?:In)?Release "),
)
_OF_DPKG = re.compile(r"needs to be reinstalled")
"""What libapt says when it opens its cache anew after fetching; it is told as a repair, not of a source."""
_PULSE_US = 250_000


class _RefreshProgress(AcquireProgress):
    """What libapt calls while it fetches; collects the failures and keeps the deadline."""

    def __init__(self, deadline: float, tell: Progress, stop: StopReason) -> None:
        super().__init__(stop)
        self.failed: list[tuple[str, str]] = []
        self.timed_out = False
        self._deadline = deadline
        self._tell = tell

    def media_change(self, medium: str, drive: str) -> bool:
        """Refuse to wait for somebody to change a disc."""
        self.failed.append((medium, f"wants the disc {medium} in {drive}"))
        return False

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Say that a list was current already."""
        self._tell(item.description)

    def fetch(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Say that a list is being fetched."""
        self._tell(item.description)

    def fail(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Keep the item's own error; an item that was merely not needed has none."""
        if item.owner.error_text:
            self.failed.append((item.description, plain_error(item.owner.error_text)))

    def pulse(self, owner: apt_pkg.Acquire) -> bool:
        """Return False, which cancels the fetch, once the deadline has passed or a stop was asked for."""
        self.timed_out = time.monotonic() > self._deadline
        return not self.timed_out and super().pulse(owner)


def refresh(timeout: timedelta, patience: LockWaiter, tell: Progress, stop: StopReason) -> tuple[SourceError, ...]:
    """Fetch the lists of every configured source; return what failed, one entry a source.

    Raises:
        BusyError: another program held the lists to the end of `patience`.
        HostError: the sources cannot be read.
        StoppedError: a stop was asked for.
    """
    # ListUpdate takes the lists' lock itself and does not wait for it, so wait here and give it free.
    with locked(f"{apt_pkg.config.find_dir('Dir::State::Lists')}lock", patience):
        pass
    sources = apt_pkg.SourceList()
    with libapt_errors("the package sources cannot be read"):
        sources.read_main_list()
        cache = _empty_cache()
    message = ""
    progress = _RefreshProgress(time.monotonic() + timeout.total_seconds(), tell, stop)
    try:
        cache.update(progress, sources, _PULSE_US)
    except SystemError as error:
        message = plain_error(str(error))
    if reason := stop():
        raise StoppedError(f"{reason}: stopped while fetching the package lists; those that were there still are")
    return tuple(_errors(progress, message, timeout, tuple(source.name for source in read_sources(sources))))


def _empty_cache() -> apt_pkg.Cache:
    """Open a cache of what is installed alone, for libapt wants one to update.

    One of the present lists would fail to open just when fetching them anew would mend it: after a list was
    damaged, or with an `APT::Default-Release` that is still to be fetched.
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
    """Name the fault that one of apt's messages speaks of."""
    return next((fault for fault, words in _WORDS if re.search(words, message)), SourceFault.OTHER)


def _errors(progress: _RefreshProgress, message: str, timeout: timedelta, names: tuple[str, ...]) -> list[SourceError]:
    if progress.timed_out:
        detail = f"fetching was stopped after {timeout.total_seconds():.0f} s (apt.refresh_timeout)"
        return [SourceError(source="all sources", fault=SourceFault.UNREACHABLE, detail=detail)]
    found: dict[str, SourceError] = {}
    for source, detail in progress.failed:
        name = source_of(source, names) or source
        found.setdefault(name, SourceError(source=name, fault=fault_of(detail), detail=detail))
    message = "; ".join(part for part in message.split("; ") if part and not _OF_DPKG.search(part))
    found.update(_verdicts(message, names))
    if message and not found:
        found[""] = SourceError(source="all sources", fault=fault_of(message), detail=message)
    return list(found.values())


def _verdicts(message: str, names: tuple[str, ...]) -> dict[str, SourceError]:
    """Find what libapt's summary says of whole repositories: that tells more than what it says of their files."""
    found: dict[str, SourceError] = {}
    for part in message.split("; "):
        place = next((match for pattern in _PLACES if (match := pattern.search(part))), None)
        if place is not None and fault_of(part) is not SourceFault.NOT_FOUND:
            spelled = f"{place['uri'].rstrip('/')} {place['suite']}"
            name = source_of(spelled, names) or spelled
            found.setdefault(name, SourceError(source=name, fault=fault_of(part), detail=part))
    return found
