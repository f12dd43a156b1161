"""A transaction that is made ready before dpkg's locks are taken, and used under them if nothing has changed since.

To open libapt's cache, mark the steps and find their archives takes half a second, in which no other program could
install anything. Whatever is unknown or has changed is done again under the locks, as apt-get does it.
"""

import os
from collections.abc import Callable, Mapping, Sequence

import apt_pkg

from agent.core.frozen import frozen
from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.errors import AgentError, ChangedError
from agent.host.apt.archive_items import archive_items
from agent.host.apt.cache import PackageCache
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors

_LOCAL = ("file:", "copy:", "mirror+file:", "cdrom:")
"""Schemes of archives that stay where they are; a mirror list may name local directories."""

Mark = Callable[[PackageCache], None]
"""Sets the marks of a transaction on an open cache."""


@frozen
class Prepared:
    """A package manager that has the archives of the steps."""

    manager: apt_pkg.PackageManager
    archives: Mapping[str, PackageId]
    """The packages by the path that dpkg gets for each."""
    cache: PackageCache
    """libapt's manager uses it, but does not keep it from being freed."""


@frozen
class Beforehand:
    """What a transaction may be made ready with before the locks are taken."""

    basis: Callable[[], str]
    """Returns the digest of what libapt's answers depend on (`agent.host.apt.basis`)."""
    opened: PackageCache | None = None
    """A cache that is open already; None: open one."""
    opened_basis: str = ""
    """The digest from before `opened` was opened."""


class PreparedEarly:
    """A transaction that was made ready without the locks."""

    def __init__(self, before: Beforehand, mark: Mark, steps: Sequence[Step]) -> None:
        """Make it ready. What fails here is left to the attempt under the locks, which reports it."""
        self._basis_now = before.basis
        self._basis = before.opened_basis if before.opened is not None else before.basis()
        self._prepared: Prepared | None = None
        self._files: Mapping[str, tuple[int, ...]] = {}
        if not self._basis:
            return
        try:
            cache = before.opened if before.opened is not None else PackageCache()
            self._prepared = prepare(cache, mark, steps)
            self._files = {path: _identity(path) for path in self._prepared.archives}
        except (AgentError, OSError, *LIBAPT_ERRORS):
            self._prepared = None

    def take(self) -> Prepared | None:
        """Return it if neither packages, lists and configuration nor an archive changed; gives it up otherwise.

        The caller holds dpkg's locks.
        """
        found, self._prepared = self._prepared, None
        if found is None or self._basis_now() != self._basis:
            return None
        try:
            same = all(_identity(path) == identity for path, identity in self._files.items())
        except OSError:
            return None
        return found if same else None


def prepare(cache: PackageCache, mark: Mark, steps: Sequence[Step]) -> Prepared:
    """Mark the steps, and return a package manager that has their archives.

    Raises:
        ChangedError: an archive is not there any more, or as `mark`.
    """
    with libapt_errors("the transaction cannot start"):
        mark(cache)
        manager = apt_pkg.PackageManager(cache.depcache)
        fetcher = apt_pkg.Acquire()
        manager.get_archives(fetcher, cache.sources, cache.records)
        everything = list(fetcher.items)
        items = archive_items(cache, fetcher, steps)
        if all(item.complete or item.desc_uri.startswith(_LOCAL) for _, item in items):
            fetcher.run()
    there = len(items) == len(steps) and all(item.complete for _, item in items)
    if not there or not all(item.is_trusted for item in everything if item.complete):
        raise ChangedError("a downloaded package is missing from apt's archive directory")
    return Prepared(manager=manager, archives={item.destfile: package for package, item in items}, cache=cache)


def _identity(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
