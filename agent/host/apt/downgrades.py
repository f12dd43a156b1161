"""Finds what else apt-get has to downgrade with some packages, so that all dependencies are met."""

from collections.abc import Iterator, Mapping

import apt_pkg

from agent.core.frozen import replace
from agent.core.model.package import PackageId
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import newer, offered
from agent.host.apt.marks import find_version
from agent.host.apt.needed_steps import needed_steps
from agent.host.apt.resolve import to_step


def with_companions(cache: PackageCache, old: Mapping[PackageId, str]) -> Mapping[PackageId, str] | None:
    """Return these packages' old versions, with those of the packages that must be downgraded with them.

    An example is the sibling of the same source package that another run upgraded, and that requires the exact version.
    None: the dependencies cannot be met so. The cache holds the marks of the result afterwards.
    """
    files = frozenset(cache.releases) & cache.trusted
    versions = [*_requested(cache, old, files), *_lower(cache, old, files)]
    # A group of its own for each: none is downgraded that the others do not need.
    steps = [
        replace(to_step(cache, version, files, frozenset()), group=number) for number, version in enumerate(versions)
    ]
    found = needed_steps(cache, steps, old, files, atomic=())
    return {step.id: step.candidate for step in found} if cache.breaks_nothing() else None


def _requested(cache: PackageCache, old: Mapping[PackageId, str], files: frozenset[int]) -> Iterator[apt_pkg.Version]:
    for package, text in old.items():
        version = find_version(cache, package.name, package.architecture, text, files)
        if version is not None:
            yield version


def _lower(cache: PackageCache, old: Mapping[PackageId, str], files: frozenset[int]) -> Iterator[apt_pkg.Version]:
    """Yield the highest offered version below the installed one of every other package that is not on hold."""
    for package in cache.dpkg_packages:
        current = package.current_ver
        other = PackageId(name=package.name, architecture=package.architecture) not in old
        if current is None or not other or package.selected_state == apt_pkg.SELSTATE_HOLD:
            continue
        below = (one for one in package.version_list if newer(current, one) and offered(one, files))
        version = next(below, None)  # sorted by libapt, highest first
        if version is not None:
            yield version
