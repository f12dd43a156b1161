"""What apt calls unneeded, as its `autoremove` does, with the marks of a cache: nothing installed by hand needs it."""

from collections.abc import Iterable, Iterator

import apt_pkg

from agent.core.model.kernels import AutoRemovable, Dependency, NewlyUnneeded
from agent.host.apt.cache import PackageCache, package_id

_POSITIVE = ("PreDepends", "Depends")


def unneeded(cache: PackageCache) -> NewlyUnneeded:
    """Return the unneeded packages that are installed, in the versions that they have with the marks."""
    found = [package for package in cache.dpkg_packages if _is_unneeded(cache, package)]
    return NewlyUnneeded(
        packages=tuple(auto_removable(cache, package) for package in found), needs=tuple(dependencies(cache, found))
    )


def _is_unneeded(cache: PackageCache, package: apt_pkg.Package) -> bool:
    """Whether a package that dpkg has finished is garbage."""
    if package.current_ver is None or package.current_state != apt_pkg.CURSTATE_INSTALLED:
        return False
    return package_id(package) not in cache.overlaid and bool(cache.depcache.is_garbage(package))


def auto_removable(cache: PackageCache, package: apt_pkg.Package) -> AutoRemovable:
    """Return an unneeded package in the version that it has with the marks."""
    version = _result(cache, package)
    return AutoRemovable(
        package=package.name,
        architecture=package.architecture,
        version=version.ver_str if version is not None else "",
        automatic=cache.depcache.is_auto_installed(package),
        on_hold=package.selected_state == apt_pkg.SELSTATE_HOLD,
    )


def dependencies(cache: PackageCache, found: Iterable[apt_pkg.Package]) -> Iterator[Dependency]:
    """Yield the dependencies, of packages as they are with the marks, that any of these packages satisfies."""
    ids = {package.id for package in found}
    for parent in _dependants(cache, found):
        version = _result(cache, parent)
        for kind in _POSITIVE:
            for alternatives in version.depends_list.get(kind, []) if version is not None else []:
                providers = {package.id: package for one in alternatives for package in _providers(cache, one)}
                if ids & providers.keys():
                    any_of = tuple(sorted(map(package_id, providers.values())))
                    yield Dependency(package=package_id(parent), any_of=any_of)


def _dependants(cache: PackageCache, found: Iterable[apt_pkg.Package]) -> list[apt_pkg.Package]:
    """Return the packages that have, in the version of afterwards, a dependency on one of these or what it provides."""
    parents: dict[int, apt_pkg.Package] = {}
    for package in found:
        version = _result(cache, package)
        provided = [name for name, _, _ in version.provides_list] if version is not None else []
        for target in [package, *(cache.pkg_cache[name] for name in provided if name in cache.pkg_cache)]:
            for dependency in target.rev_depends_list:
                if dependency.parent_ver == _result(cache, dependency.parent_pkg):
                    parents[dependency.parent_pkg.id] = dependency.parent_pkg
    return list(parents.values())


def _providers(cache: PackageCache, dependency: apt_pkg.Dependency) -> list[apt_pkg.Package]:
    return [target.parent_pkg for target in dependency.all_targets() if target == _result(cache, target.parent_pkg)]


def _result(cache: PackageCache, package: apt_pkg.Package) -> apt_pkg.Version | None:
    """Return the version that a package has with the marks; None if it is not installed then.

    libapt itself marks a package whose removal was interrupted: as long as nothing finishes that, it has its version.
    """
    if cache.depcache.marked_keep(package) or package.current_state != apt_pkg.CURSTATE_INSTALLED:
        return package.current_ver
    if cache.depcache.marked_delete(package):
        return None
    return cache.depcache.get_candidate_ver(package)
