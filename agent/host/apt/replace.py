"""Installs updates that replace other packages, by the rules of a dist-upgrade and one more.

A package is removed only if a package of the result takes its place: one that replaces it and conflicts with it or
breaks every version of it, or one that provides its name (Debian Policy 7.5, 7.6.2). One that replaces and breaks only
versions below another has taken over some files (Policy 7.6.1): the package itself goes on, in a later version that
may be held or not offered here. An update that would remove anything else is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import apt_pkg

from agent.core.frozen import field, frozen
from agent.core.kernel_release import IMAGE_PREFIXES
from agent.core.model.package import PackageId
from agent.core.packages.decide import Veto
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.errors import LIBAPT_ERRORS
from agent.host.apt.marks import mark, marked


@frozen
class Rules:
    """Which versions steps may install, and which packages they may not touch."""

    allows: Callable[[apt_pkg.Version], bool]
    veto: Veto


@frozen
class Replaced:
    """The versions to install, and the packages that are removed for them."""

    versions: tuple[apt_pkg.Version, ...]
    successors: Mapping[int, tuple[PackageId, ...]] = field(default_factory=dict)
    """What each package takes the place of, by the id of the package."""

    def by(self, version: apt_pkg.Version) -> tuple[PackageId, ...]:
        """Return the packages that a version takes the place of."""
        return self.successors.get(version.parent_pkg.id, ())


def replace_packages(
    cache: PackageCache, accepted: Sequence[apt_pkg.Version], stopped: Sequence[apt_pkg.Version], rules: Rules
) -> Replaced:
    """Add those of the stopped versions that fit once the packages that they replace are removed.

    The cache has the marks of the accepted versions, and those of the result afterwards.
    """
    marks = _Replacing(cache, accepted, rules)
    for version in stopped:
        for other in stopped:  # so that what the version breaks can be upgraded with it
            cache.depcache.set_candidate_ver(other.parent_pkg, other)
        marks.attempt(version)
    return marks.result


class _Replacing:
    """The accepted versions and removals; each attempt either adds to them or leaves them as they were."""

    def __init__(self, cache: PackageCache, accepted: Sequence[apt_pkg.Version], rules: Rules) -> None:
        self._cache = cache
        self._depcache = cache.depcache
        self._rules = rules
        self.result = Replaced(versions=tuple(accepted))

    def attempt(self, version: apt_pkg.Version) -> None:
        """Mark a version with what it needs and replaces; keep the marks if they obey every rule."""
        if self._depcache.marked_upgrade(version.parent_pkg):
            return  # another attempt has it
        mark(self._cache, version, with_dependencies=True)
        found = self._judged(version) or (self._judged(version) if self._mended(version) else None)
        if found is None:
            self._restore()
        else:
            self.result = found

    def _mended(self, version: apt_pkg.Version) -> bool:
        """Have libapt mend what the marks break, and leave alone what is accepted; return whether it could."""
        resolver = apt_pkg.ProblemResolver(self._depcache)
        for one in (*self.result.versions, version):
            resolver.clear(one.parent_pkg)
            resolver.protect(one.parent_pkg)
        try:
            return bool(resolver.resolve(True))
        except LIBAPT_ERRORS:
            return False

    def _judged(self, version: apt_pkg.Version) -> Replaced | None:
        """Return the present marks as a result; None: they break a rule."""
        if not self._cache.breaks_nothing(removed=self._depcache.del_count):
            return None
        versions, wanted = marked(self._cache), {one.id for one in (*self.result.versions, version)}
        if not wanted.issubset(one.id for one in versions) or not all(map(self._rules.allows, versions)):
            return None
        successors: dict[int, tuple[PackageId, ...]] = {}
        for package in self._removed():
            successor = next((one for one in versions if takes_the_place_of(one, package)), None)
            if successor is None or not self._may_remove(package):
                return None
            key = successor.parent_pkg.id
            successors[key] = (*successors.get(key, ()), package_id(package))
        return Replaced(versions=tuple(versions), successors=successors)

    def _removed(self) -> list[apt_pkg.Package]:
        if not self._depcache.del_count:
            return []
        return [package for package in self._cache.dpkg_packages if self._depcache.marked_delete(package)]

    def _may_remove(self, package: apt_pkg.Package) -> bool:
        needed = package.essential or package.important or package.name.startswith(IMAGE_PREFIXES)
        held = package.selected_state == apt_pkg.SELSTATE_HOLD
        return not (needed or held or self._rules.veto(package_id(package)) is not None)

    def _restore(self) -> None:
        """Mark the accepted versions and removals again, and nothing else."""
        self._cache.forget_marks()
        with apt_pkg.ActionGroup(self._depcache):
            for version in self.result.versions:
                mark(self._cache, version, with_dependencies=False)
            for old in (old for olds in self.result.successors.values() for old in olds):
                self._depcache.mark_delete(self._cache.pkg_cache[old.name, old.architecture], False)


def takes_the_place_of(version: apt_pkg.Version, package: apt_pkg.Package) -> bool:
    """Return whether a version is the successor of an installed package, by its own relations."""
    current = package.current_ver
    if current is None or version.parent_pkg.architecture != package.architecture:
        return False
    if any(name == package.name for name, _, _ in version.provides_list):
        return True
    breaks = (one for one in _about(version, "Breaks", current) if not one.comp_type)
    excludes = any(_about(version, "Conflicts", current)) or any(breaks)
    return excludes and any(_about(version, "Replaces", current))


def _about(version: apt_pkg.Version, kind: str, target: apt_pkg.Version) -> Iterator[apt_pkg.Dependency]:
    """Yield the relations of a kind that are about a target version."""
    for group in version.depends_list.get(kind, ()):
        yield from (one for one in group if any(found.id == target.id for found in one.all_targets()))
