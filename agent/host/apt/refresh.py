"""Fetches the package lists with libapt, as `apt-get update` does."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import apt_pkg

from agent.core.job_control import JobControl
from agent.core.ports import RefreshAttempt
from agent.core.redact import redact
from agent.errors import StoppedError
from agent.host.apt.acquire_progress import AcquireProgress
from agent.host.apt.errors import LIBAPT_ERRORS, error_text, libapt_errors, message_of
from agent.host.apt.sources import Source, configured_sources, read_sources
from agent.host.apt.update_verdict import FetchedItem, FetchedSource, FinishedUpdate, judge
from agent.host.locks import LockWaiter, locked

_PULSE_US = 250_000
_ARCHITECTURES = "APT::Architectures"


class _RefreshProgress(AcquireProgress):
    """Progress callbacks for a refresh: keeps the final state of all items, and enforces the deadline."""

    def __init__(self, deadline: float, control: JobControl) -> None:
        super().__init__(control)
        self.items: tuple[FetchedItem, ...] = ()
        self.descriptions: dict[str, str] = {}
        self.timed_out = False
        self._deadline = deadline
        self._owner: apt_pkg.Acquire | None = None
        self._first_errors: dict[str, str] = {}

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Report a list, fetched or unchanged, and note how libapt's messages will call it."""
        self._control.progress(redact(item.description))
        self.descriptions[item.description] = os.path.basename(item.owner.destfile)

    fetch = ims_hit

    def done(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Note how libapt's messages will call it."""
        self.descriptions[item.description] = os.path.basename(item.owner.destfile)

    def fail(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Note the first error of an item, which may be one that libapt passes over."""
        self.done(item)
        self._first_errors.setdefault(os.path.basename(item.owner.destfile), error_text(item.owner))

    def pulse(self, owner: apt_pkg.Acquire) -> bool:
        """Return False, which cancels the fetch, after the deadline or a stop request."""
        self._owner = owner
        self.timed_out = self.timed_out or time.monotonic() > self._deadline
        return not self.timed_out and super().pulse(owner)

    def stop(self) -> None:
        """Read all items: libapt calls this when their states are final, and frees them soon after."""
        if self._owner is not None:
            self.items = tuple(self._read(item) for item in self._owner.items)
            self._owner = None

    def _read(self, item: apt_pkg.AcquireItem) -> FetchedItem:
        directory, file = os.path.split(item.destfile)
        error = error_text(item)
        if error.rstrip().endswith(":"):
            # libapt's HTTP method says only once for each host why it cannot connect.
            host = error.removeprefix("Unable to connect to ").rstrip().removesuffix(":")
            causes = (one for one in self._first_errors.values() if one.startswith(f"Could not connect to {host} "))
            error = next(causes, error)
        return FetchedItem(
            file=file,
            in_place=os.path.basename(directory) != "partial",
            done=item.status == apt_pkg.AcquireItem.STAT_DONE,
            error=error,
        )


def refresh(timeout: timedelta, waiter: LockWaiter, control: JobControl) -> RefreshAttempt:
    """Fetch the lists of every configured source; errors are at most one for each, and at most one of apt itself.

    Raises:
        BusyError: another program holds the lists' lock.
        HostError: the sources cannot be read.
        StoppedError: a stop was requested.
    """
    # libapt's ListUpdate takes the lock without waiting for it, so wait for it here and release it.
    with locked(f"{apt_pkg.config.find_dir('Dir::State::Lists')}lock", waiter):
        pass
    sources = configured_sources()
    with libapt_errors("apt cannot open its cache"):
        cache = _empty_cache()
    message = ""
    progress = _RefreshProgress(time.monotonic() + timeout.total_seconds(), control)
    try:
        with _known_architectures(), _stdout_as_stderr():
            cache.update(progress, sources, _PULSE_US)
    except LIBAPT_ERRORS as error:
        message = message_of(error)
    if reason := control.stop():
        raise StoppedError(f"{reason}: stopped while fetching the package lists; the previous ones are kept")
    stopped = f"fetching was stopped after {timeout.total_seconds():.0f} s (apt.refresh_timeout)"
    update = FinishedUpdate(
        items=progress.items,
        descriptions=progress.descriptions,
        message=message,
        stopped=stopped if progress.timed_out else "",
    )
    return judge(update, [_fetched(source) for source in read_sources(sources)])


@contextmanager
def _stdout_as_stderr() -> Iterator[None]:
    """Have what apt's hooks print go to stderr: stdout may carry a JSON document."""
    saved, target = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.close(target)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _fetched(source: Source) -> FetchedSource:
    method = f"{apt_pkg.config.find_dir('Dir::Bin::methods')}{source.scheme}"
    return FetchedSource(
        name=source.name,
        file_prefix=source.file_prefix,
        mirror_list=source.mirror_list,
        no_method="" if os.path.exists(method) else f"The method driver {method} could not be found.",
    )


@contextmanager
def _known_architectures() -> Iterator[None]:
    """Have apt's configuration name dpkg's architectures: each program that a method runs would ask dpkg for them."""
    if apt_pkg.config.value_list(_ARCHITECTURES):
        yield
        return
    for architecture in apt_pkg.get_architectures():
        apt_pkg.config.set(f"{_ARCHITECTURES}::", architecture)
    try:
        yield
    finally:
        apt_pkg.config.clear(_ARCHITECTURES)


def _empty_cache() -> apt_pkg.Cache:
    """Open a cache without packages: libapt requires one for an update, and does not look into it.

    A cache of the current lists may fail to open exactly when a refresh would repair it: with a damaged list, or with
    an `APT::Default-Release` that was never fetched.
    """
    overrides = {
        "Dir::State::status": os.devnull,
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": os.devnull,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Default-Release": "",
        "Dir::Etc::preferences": os.devnull,
        "Dir::Etc::preferencesparts": os.devnull,
    }
    saved = {key: apt_pkg.config.find(key) for key in overrides}
    try:
        _configure(overrides)
        return apt_pkg.Cache(None)
    finally:
        _configure(saved)


def _configure(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        apt_pkg.config.set(key, value)
    apt_pkg.init_system()  # libapt caches the path of the status file
