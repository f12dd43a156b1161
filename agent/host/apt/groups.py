"""Groups steps that must share a transaction: those connected by any package relation."""

from collections.abc import Sequence

import apt_pkg

from agent.core.frozen import replace
from agent.core.model.plan import Step
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup
from agent.host.apt.cache import PackageCache


def group_steps(
    cache: PackageCache, steps: Sequence[Step], atomic: Sequence[AtomicGroup] = ATOMIC_GROUPS
) -> tuple[Step, ...]:
    """Set the steps' group numbers: two steps share one if a relation of either names the other.

    All architectures of a package share a group, because Multi-Arch: same requires equal versions. The packages of an
    atomic group share one.
    """
    parents = list(range(len(steps)))

    def find(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    places: dict[int, int] = {}
    by_name: dict[str, int] = {}
    packages = [cache.pkg_cache[step.package, step.architecture] for step in steps]
    for place, package in enumerate(packages):
        places[package.id] = place
        # What needs a package that is removed has to go with the one that takes its place.
        places.update((cache.pkg_cache[old.name, old.architecture].id, place) for old in steps[place].replaces)
        # contains a space, which package names must not (deb-control(5)), so the two cannot collide
        name = next((f"{group.name} group" for group in atomic if package.name in group), package.name)
        parents[find(by_name.setdefault(name, place))] = find(place)
    for place, package in enumerate(packages):
        for other in _related(cache, package):
            if other in places:
                parents[find(places[other])] = find(place)
    return tuple(replace(step, group=find(place)) for place, step in enumerate(steps))


def _related(cache: PackageCache, package: apt_pkg.Package) -> set[int]:
    """Return IDs of all packages in the relations of the package's new and installed version, providers included."""
    found: set[int] = set()
    for version in (cache.depcache.get_candidate_ver(package), package.current_ver):
        for groups in version.depends_list.values() if version is not None else ():
            for group in groups:
                for dependency in group:
                    found.add(dependency.target_pkg.id)
                    found.update(target.parent_pkg.id for target in dependency.all_targets())
    return found
