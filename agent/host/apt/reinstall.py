"""Plans reinstalls of packages that dpkg can only finish from their archive."""

from collections.abc import Sequence
from dataclasses import replace

import apt_pkg

from agent.core.model.facts import Repair
from agent.core.model.plan import Step
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import NEEDS_ARCHIVE, offered, unfinished
from agent.host.apt.groups import group_steps
from agent.host.apt.resolve import find_version, mark, marked, to_step
from agent.host.dpkg import database as dpkg_database


def reinstallations(index: PackageCache, repair: Sequence[Repair], allowed: frozenset[int]) -> tuple[Step, ...]:
    """Return steps that reinstall, from an authenticated index file, each package that dpkg requires reinstalled.

    The version stays the same. A package whose first unpacking was interrupted also gets its dependencies, from allowed
    origins.
    """
    steps: list[Step] = []
    states = dpkg_database.states()
    incomplete = {package.name for package in index.dpkg_packages if unfinished(index, package) in NEEDS_ARCHIVE}
    for item in repair:
        # libapt unpacks all architectures of a package together and needs the archive of each.
        wanted = item.state in NEEDS_ARCHIVE or item.package in incomplete
        if not wanted or (item.package, item.architecture) not in index.cache:
            continue
        package = index.cache[item.package, item.architecture]
        current = package.current_ver
        state = states.get(item.id)
        if package.selected_state == apt_pkg.SELSTATE_HOLD:
            continue
        if current is None:
            version = state.version if state is not None else None
            steps += _first_installation(index, item, version or "", allowed & index.trusted)
        elif offered(current, index.trusted):
            steps.append(to_step(index, current, index.trusted, frozenset()))
    return group_steps(index, steps)


def _first_installation(index: PackageCache, item: Repair, version_string: str, allowed: frozenset[int]) -> list[Step]:
    version = find_version(index, item.package, item.architecture, version_string, index.trusted)
    if version is None:
        return []
    mark(index, version, with_dependencies=True)
    others = [one for one in marked(index) if one.parent_pkg.id != version.parent_pkg.id]
    allowed_only = index.breaks_nothing() and all(
        offered(one, allowed) and one.parent_pkg.current_ver is None for one in others
    )
    steps = [to_step(index, one, allowed, allowed) for one in others]
    index.forget_marks()
    return [replace(to_step(index, version, index.trusted, allowed), mending=True), *steps] if allowed_only else []
