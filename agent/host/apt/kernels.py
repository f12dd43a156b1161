"""Kernel facts from libapt (garbage, dependencies on it), and exact marking of kernels for removal."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cmp_to_key
from pathlib import Path

import apt_pkg

from agent.core.kernel_release import image_release
from agent.core.model.kernels import AutoRemovable, Dependency, KernelFacts, KernelImage, KernelRemoval
from agent.core.packages.kernels import release_of
from agent.errors import ChangedError, HostError
from agent.host.apt.cache import PackageCache, package_id

_POSITIVE = ("PreDepends", "Depends")
_Installed = tuple[apt_pkg.Package, apt_pkg.Version]


def kernel_facts(cache: PackageCache) -> KernelFacts:
    """Return the kernel facts; the cache must have no marks."""
    patterns = tuple(apt_pkg.config.value_list("APT::VersionedKernelPackages"))
    garbage: list[_Installed] = []
    images: list[KernelImage] = []
    for package in cache.dpkg_packages:
        current = package.current_ver
        if current is None or package_id(package) in cache.overlaid:
            continue
        release = image_release(package.name)
        if release is not None and package.current_state == apt_pkg.CURSTATE_INSTALLED:
            images.append(KernelImage(release=release, version=current.ver_str))
        if cache.depcache.is_garbage(package) and _is_removable(package):
            garbage.append((package, current))
    images.sort(key=cmp_to_key(_compare))
    kernels = [pair for pair in garbage if release_of(pair[0].name, patterns) is not None]
    return KernelFacts(
        running=os.uname().release,
        patterns=patterns,
        images=tuple(images),
        unneeded=tuple(_auto_removable(cache, package, version) for package, version in garbage),
        needs=tuple(_dependencies(cache, kernels)),
    )


def mark_removal(cache: PackageCache, removals: Sequence[KernelRemoval]) -> None:
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
        raise HostError("not removed: libapt would do more than remove these kernels")


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


def _unchanged(cache: PackageCache, removal: KernelRemoval) -> apt_pkg.Package:
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


def _auto_removable(cache: PackageCache, package: apt_pkg.Package, version: apt_pkg.Version) -> AutoRemovable:
    return AutoRemovable(
        package=package.name,
        architecture=package.architecture,
        version=version.ver_str,
        automatic=cache.depcache.is_auto_installed(package),
        on_hold=package.selected_state == apt_pkg.SELSTATE_HOLD,
    )


def _dependencies(cache: PackageCache, kernels: Iterable[_Installed]) -> Iterator[Dependency]:
    """Yield the dependencies of installed packages that any of these kernels satisfies."""
    ids = {package.id for package, _ in kernels}
    for parent in _dependants(cache, kernels):
        if parent.current_ver is None:
            continue
        for kind in _POSITIVE:
            for group in parent.current_ver.depends_list.get(kind, []):
                providers = {package.id: package for one in group for package in _installed_targets(one)}
                if ids & providers.keys():
                    yield Dependency(
                        package=package_id(parent), any_of=tuple(sorted(map(package_id, providers.values())))
                    )


def _installed_targets(dependency: apt_pkg.Dependency) -> list[apt_pkg.Package]:
    return [target.parent_pkg for target in dependency.all_targets() if target == target.parent_pkg.current_ver]


def _dependants(cache: PackageCache, kernels: Iterable[_Installed]) -> list[apt_pkg.Package]:
    found: dict[int, apt_pkg.Package] = {}
    for package, version in kernels:
        names = [package, *(cache.pkg_cache[name] for name, _, _ in version.provides_list if name in cache.pkg_cache)]
        for name in names:
            for dependency in name.rev_depends_list:
                if dependency.parent_ver == dependency.parent_pkg.current_ver:
                    found[dependency.parent_pkg.id] = dependency.parent_pkg
    return list(found.values())


def _compare(one: KernelImage, other: KernelImage) -> int:
    order = apt_pkg.version_compare(one.version, other.version)
    return order or (one.release > other.release) - (one.release < other.release)
