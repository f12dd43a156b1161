"""Finds which steps of a plan some of its packages need: their dependencies, and siblings that they would break."""

from collections.abc import Collection, Iterator, Sequence

import apt_pkg

from agent.core.model.package import PackageId
from agent.core.model.plan import Step
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup
from agent.host.apt.cache import PackageCache
from agent.host.apt.groups import group_steps
from agent.host.apt.marks import find_version, mark

_POSITIVE = ("PreDepends", "Depends")
_NEGATIVE = ("Conflicts", "Breaks")


def needed_steps(
    cache: PackageCache,
    steps: Sequence[Step],
    wanted: Collection[PackageId],
    allowed: frozenset[int],
    atomic: Sequence[AtomicGroup] = ATOMIC_GROUPS,
) -> tuple[Step, ...]:
    """Return the smallest part of a plan's steps that installs the wanted ones and breaks nothing.

    `allowed` are the index files that steps may come from. The cache holds the marks of the result afterwards.
    """
    selection = _Selection(cache, steps, allowed)
    names = {package.name for package in wanted}
    joined = {name for group in atomic if names & group.packages for name in group.packages}
    selection.add(step for step in steps if step.id in wanted or step.package in joined)
    if not cache.breaks_nothing():  # unless the steps changed meanwhile, their whole groups do not
        groups = {step.group for step in selection.chosen}
        selection.add(step for step in steps if step.group in groups)
    return tuple(sorted(group_steps(cache, selection.chosen), key=lambda step: step.id))


class _Selection:
    """Steps of a plan that are marked, each with its version."""

    def __init__(self, cache: PackageCache, steps: Sequence[Step], allowed: frozenset[int]) -> None:
        self._cache = cache
        self._allowed = allowed & cache.trusted
        self._steps = {cache.pkg_cache[step.package, step.architecture].id: step for step in steps}
        self._versions: dict[int, apt_pkg.Version] = {}

    @property
    def chosen(self) -> list[Step]:
        """The marked steps."""
        return [self._steps[package] for package in self._versions]

    def add(self, steps: Iterator[Step]) -> None:
        """Mark steps, and then what they need of the plan."""
        queue = list(steps)
        while queue:
            for step in queue:
                self._mark(step)
            queue = [] if self._cache.breaks_nothing() else self._helpers()

    def _mark(self, step: Step) -> None:
        package = self._cache.pkg_cache[step.package, step.architecture]
        files = self._allowed if not step.interrupted else frozenset(self._cache.releases) & self._cache.trusted
        version = find_version(self._cache, step.package, step.architecture, step.candidate, files)
        if version is not None and package.id not in self._versions:
            self._versions[package.id] = version
            mark(self._cache, version, with_dependencies=False)

    def _helpers(self) -> list[Step]:
        """Return steps, not marked yet, that mend what the marks break."""
        found: dict[int, Step] = {}
        for package in self._broken():
            if package.id in self._steps and package.id not in self._versions:
                found[package.id] = self._steps[package.id]
                continue
            for other in self._remedies(package):
                if other.id in self._steps and other.id not in self._versions:
                    found[other.id] = self._steps[other.id]
        return list(found.values())

    def _broken(self) -> list[apt_pkg.Package]:
        marked = {version.parent_pkg.id: version.parent_pkg for version in self._versions.values()}
        everything = {**{package.id: package for package in self._cache.dpkg_packages}, **marked}
        return [
            package
            for package in everything.values()
            if package.id not in self._cache.broken_before and self._cache.depcache.is_inst_broken(package)
        ]

    def _remedies(self, package: apt_pkg.Package) -> Iterator[apt_pkg.Package]:
        """Yield the packages of the relations of this package that do not hold."""
        version = self._result(package)
        relations = version.depends_list if version is not None else {}
        for kind in _POSITIVE:
            for alternatives in relations.get(kind, []):
                targets = [target for one in alternatives for target in one.all_targets()]
                if not any(self._is_there(target) for target in targets):
                    yield from (target.parent_pkg for target in targets)
        for kind in _NEGATIVE:
            for alternatives in relations.get(kind, []):
                for one in alternatives:
                    yield from (target.parent_pkg for target in one.all_targets() if self._is_there(target))

    def _is_there(self, version: apt_pkg.Version) -> bool:
        result = self._result(version.parent_pkg)
        return result is not None and result.id == version.id

    def _result(self, package: apt_pkg.Package) -> apt_pkg.Version | None:
        """Return the version that a package has with the marks; None if it is not installed then."""
        return self._versions.get(package.id, package.current_ver)
