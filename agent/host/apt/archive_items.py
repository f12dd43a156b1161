"""The archives that libapt fetches for some steps, each with its package.

No package name is read from a file's name: a pool file of a repository may have any name.
"""

import os
from collections.abc import Iterator, Sequence

import apt_pkg

from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.ports import Archive
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import version_text
from agent.host.apt.errors import libapt_errors

_IN_PLACE = "file:"
"""Scheme of archives that are used where they are."""


def archive_items(
    cache: PackageCache, fetcher: apt_pkg.Acquire, steps: Sequence[Step]
) -> tuple[tuple[PackageId, apt_pkg.AcquireItem], ...]:
    """Return libapt's items with the package of each, by the URI that the package lists give.

    Call it before `fetcher.run`: a redirect or a mirror replaces an item's URI, and a mirror list is an item, too.
    Items of other packages are left out: libapt also fetches a package that needs a reinstallation, marked or not.
    """
    packages = {uri: step.id for step in steps for uri in _uris(cache, step)}
    return tuple((packages[item.desc_uri], item) for item in fetcher.items if item.desc_uri in packages)


@libapt_errors("the packages cannot be downloaded")
def archives_to_fetch(cache: PackageCache, steps: Sequence[Step]) -> tuple[Archive, ...]:
    """Return the archives of the steps, which are marked, that libapt would fetch into its archive directory."""
    fetcher = apt_pkg.Acquire()
    apt_pkg.PackageManager(cache.depcache).get_archives(fetcher, cache.sources, cache.records)
    versions = {step.id: step.candidate for step in steps}
    return tuple(
        Archive(
            package=package.name,
            architecture=package.architecture,
            version=versions[package],
            file=os.path.basename(item.destfile),
        )
        for package, item in archive_items(cache, fetcher, steps)
        if not item.complete and not item.desc_uri.startswith(_IN_PLACE)
    )


def _uris(cache: PackageCache, step: Step) -> Iterator[str]:
    """Yield where the package lists offer a step's version, whichever of them libapt chooses."""
    for version in cache.pkg_cache[step.package, step.architecture].version_list:
        for place in version.file_list if version_text(version) == step.candidate else ():
            index = None if place[0].not_source else cache.sources.find_index(place[0])
            if index is not None:
                cache.records.lookup(place)
                yield index.archive_uri(cache.records.filename)
