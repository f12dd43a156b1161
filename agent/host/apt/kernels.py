"""Kernel facts from libapt (garbage, dependencies on it), and exact marking of unneeded packages for removal."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cmp_to_key
from pathlib import Path

import apt_pkg

from agent.core.kernel_release import image_release
from agent.core.model.kernels import KernelFacts, KernelImage, Removal
from agent.core.packages.kernels import release_of
from agent.errors import ChangedError, HostError
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.unneeded import auto_removable, dependencies


def kernel_facts(cache: PackageCache) -> KernelFacts:
    """Return the kernel facts; the cache must have no marks."""
    patterns = tuple(apt_pkg.config.value_list("APT::VersionedKernelPackages"))
    garbage: list[apt_pkg.Package] = []
    images: list[KernelImage] = []
    for package in cache.dpkg_packages:
        current = package.current_ver
        if current is None or package_id(package) in cache.overlaid:
            continue
        release = image_release(package.name)
        if release is not None and package.current_state == apt_pkg.CURSTATE_INSTALLED:
            images.append(KernelImage(release=release, version=current.ver_str))
        if cache.depcache.is_garbage(package) and _is_removable(package):
            garbage.append(package)
    images.sort(key=cmp_to_key(_compare))
    kernels = [package for package in garbage if release_of(package.name, patterns) is not None]
    return KernelFacts(
        running=os.uname().release,
        patterns=patterns,
        images=tuple(images),
        unneeded=tuple(auto_removable(cache, package) for package in garbage),
        needs=tuple(dependencies(cache, kernels)),
    )


def mark_removal(cache: PackageCache, removals: Sequence[Removal]) -> None:
    """Mark exactly these packages for removal; verify that libapt would do nothing else.

    Raises:
        ChangedError: a package changed since the plan was made.
        HostError: libapt would do more than this.
    """
    depcache = cache.depcache
    packages = [_unchanged(cache, removal) for removal in removals]
    with apt_pkg.ActionGroup(depcache):
        for package in packages:
            depcache.mark_delete(package, False)  # no purge: like apt's autoremove, keep conffiles
    changed = [package for package in cache.dpkg_packages if not depcache.marked_keep(package)]
    removed = [package for package in packages if depcache.marked_delete(package)]
    exact = depcache.inst_count == 0 and len(changed) == len(removed) == len(removals)
    if not exact or not cache.broken() <= cache.broken_before:
        raise HostError("not removed: libapt would do more than remove these packages")


@contextmanager
def auto_marks_kept() -> Iterator[None]:
    """Keep libapt from saving its auto-installed marks, which it does before dpkg starts.

    It would drop the marks of the packages to remove. A package that dpkg then fails to remove, or does not reach,
    would count as manually installed and never be removed. Marks of packages that are gone are harmless: the next
    transaction of any frontend drops them.
    """
    key = "Dir::State::extended_states"
    original = apt_pkg.config.find_file(key)
    temporary = f"{original}.maestro-agent"
    apt_pkg.config.set(key, temporary)
    try:
        yield
    finally:
        apt_pkg.config.set(key, original)
        Path(temporary).unlink(missing_ok=True)


def _unchanged(cache: PackageCache, removal: Removal) -> apt_pkg.Package:
    key = (removal.package, removal.architecture)
    if key not in cache.pkg_cache or not _is_as_planned(cache, cache.pkg_cache[key], removal.version):
        raise ChangedError(f"{removal.label} {removal.version} changed since the plan was made")
    return cache.pkg_cache[key]


def _is_as_planned(cache: PackageCache, package: apt_pkg.Package, version: str) -> bool:
    return (
        package.current_ver is not None
        and package.current_ver.ver_str == version
        and _is_removable(package)
        and package.selected_state != apt_pkg.SELSTATE_HOLD
        and cache.depcache.is_garbage(package)
    )


def _is_removable(package: apt_pkg.Package) -> bool:
    """Whether dpkg has finished the package, or was interrupted while removing it."""
    if package.current_state == apt_pkg.CURSTATE_INSTALLED:
        return True
    return package.selected_state == apt_pkg.SELSTATE_DEINSTALL and package.inst_state == apt_pkg.INSTSTATE_OK


def _compare(one: KernelImage, other: KernelImage) -> int:
    order = apt_pkg.version_compare(one.version, other.version)
    return order or (one.release > other.release) - (one.release < other.release)
