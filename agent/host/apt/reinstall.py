"""Plans reinstalls of packages that dpkg can only finish from their archive."""

from collections.abc import Sequence

import apt_pkg

from agent.core.frozen import replace
from agent.core.model.facts import Repair
from agent.core.model.plan import Step
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import NEEDS_ARCHIVE, offered, unfinished
from agent.host.apt.groups import group_steps
from agent.host.apt.marks import find_version, mark, marked
from agent.host.apt.resolve import to_step
from agent.host.dpkg import database as dpkg_database


def reinstallations(cache: PackageCache, repair: Sequence[Repair], allowed: frozenset[int]) -> tuple[Step, ...]:
    """Return steps that reinstall, from an authenticated index file, each package that dpkg requires reinstalled.

    The version stays the same. A package whose first unpacking was interrupted also gets its dependencies, from allowed
    origins.
    """
    steps: list[Step] = []
    states = dpkg_database.states()
    incomplete = {package.name for package in cache.dpkg_packages if unfinished(cache, package) in NEEDS_ARCHIVE}
    for item in repair:
        # libapt unpacks all architectures of a package together and needs the archive of each.
        wanted = item.state in NEEDS_ARCHIVE or item.package in incomplete
        if not wanted or (item.package, item.architecture) not in cache.pkg_cache:
            continue
        package = cache.pkg_cache[item.package, item.architecture]
        current = package.current_ver
        state = states.get(item.id)
        if package.selected_state == apt_pkg.SELSTATE_HOLD:
            continue
        if current is None:
            version = state.version if state is not None else None
            steps += _first_installation(cache, item, version or "", allowed & cache.trusted)
        elif offered(current, cache.trusted):
            steps.append(to_step(cache, current, cache.trusted, frozenset()))
    return group_steps(cache, steps)


def _first_installation(cache: PackageCache, item: Repair, version_string: str, allowed: frozenset[int]) -> list[Step]:
    version = find_version(cache, item.package, item.architecture, version_string, cache.trusted)
    if version is None:
        return []
    mark(cache, version, with_dependencies=True)
    others = [one for one in marked(cache) if one.parent_pkg.id != version.parent_pkg.id]
    allowed_only = cache.breaks_nothing() and all(
        offered(one, allowed) and one.parent_pkg.current_ver is None for one in others
    )
    steps = [to_step(cache, one, allowed, allowed) for one in others]
    cache.forget_marks()
    return [replace(to_step(cache, version, cache.trusted, allowed), interrupted=True), *steps] if allowed_only else []
