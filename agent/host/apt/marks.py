"""Marks versions for installation on libapt's dependency cache."""

from collections.abc import Sequence

import apt_pkg

from agent.core.model.plan import Step
from agent.errors import ChangedError
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import offered, version_text


def find_version(
    cache: PackageCache, package: str, architecture: str, version: str, files: frozenset[int]
) -> apt_pkg.Version | None:
    """Return the version object of a package that one of these index files offers; None if there is none."""
    if (package, architecture) not in cache.pkg_cache:
        return None
    for candidate in cache.pkg_cache[package, architecture].version_list:
        if version_text(candidate) == version and offered(candidate, files):
            return candidate
    return None


def mark(cache: PackageCache, version: apt_pkg.Version, *, with_dependencies: bool) -> None:
    """Mark one version for installation; keeps the package's auto mark (new packages become auto)."""
    package = version.parent_pkg
    depcache = cache.depcache
    automatic = package.current_ver is None or depcache.is_auto_installed(package)
    depcache.set_candidate_ver(package, version)
    depcache.mark_install(package, with_dependencies, True)
    depcache.mark_auto(package, automatic)


def marked(cache: PackageCache) -> list[apt_pkg.Version]:
    """Return the versions that are marked for installation."""
    depcache = cache.depcache
    changed = (package for package in cache.pkg_cache.packages if not depcache.marked_keep(package))
    versions = (depcache.get_candidate_ver(package) for package in changed if not depcache.marked_delete(package))
    return [version for version in versions if version is not None]


def mark_replaced(cache: PackageCache, steps: Sequence[Step]) -> int:
    """Mark what marked steps take the place of for removal; return how many packages that are.

    A package whose predecessor was installed by hand counts as installed by hand.

    Raises:
        ChangedError: one of them was put on hold.
    """
    depcache, found = cache.depcache, 0
    for successor, old in ((step, old) for step in steps for old in step.replaces):
        package = cache.pkg_cache[old.name, old.architecture]
        if package.current_ver is None:
            continue  # removed by an earlier attempt
        if package.selected_state == apt_pkg.SELSTATE_HOLD:
            raise ChangedError(f"{old.label} was put on hold since the plan was made")
        if not depcache.is_auto_installed(package):
            depcache.mark_auto(cache.pkg_cache[successor.package, successor.architecture], False)
        depcache.mark_delete(package, False)  # no purge: conffiles stay, as after apt's dist-upgrade
        found += 1
    return found
