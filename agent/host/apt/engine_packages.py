"""The packages of the container runtime in apt, behind the port `agent.core.engine_ports.EnginePackages`.

A simulation marks exact versions with their dependencies and commits nothing. To carry it out, make one
`agent.core.model.plan.Step` of each change whose `after` is not None: `resolve.find_version` with the cache's trusted
files gives the version, `resolve.to_step` the step, with `installed` None for a new package. `transaction.Transactions`
installs the steps with `patterns=None` (any authenticated origin); `download.mark_exactly` accepts downgrades there,
refuses packages on hold, and refuses removals: a change with `after` None needs a transaction that marks it, too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import apt_pkg

from agent.core.docker.versions import may_be_chosen
from agent.core.engine_ports import Offer, Simulation
from agent.core.model.engine_plan import PackageChange
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import offered, origin_of, version_text
from agent.host.apt.errors import LIBAPT_ERRORS, libapt_errors, message_of, plain_error
from agent.host.apt.marks import mark


class CacheLender(Protocol):
    """Has a cache open already: opening another one takes as long as a check without Docker."""

    def shared_cache(self) -> PackageCache | None:
        """Return the open cache, to read versions and leave its marks alone; None: there is none, or it is old."""

    def take_cache(self) -> PackageCache | None:
        """Return the open cache and give it up; None as above."""


class AptEnginePackages:
    """apt's packages. The cache stays open until the lists or dpkg's database change."""

    def __init__(self, lender: CacheLender | None = None) -> None:
        self._lender = lender
        self._opened: PackageCache | None = None
        self._unmarked = True

    @libapt_errors("apt cannot read the engine's packages")
    def offers(self, package: str) -> tuple[Offer, ...]:
        """Return every version of a package, newest first: authenticated ones, and the installed one."""
        cache = self._readable()
        return tuple(_offer(cache, version) for version in _versions(cache, package))

    @libapt_errors("apt cannot plan the upgrade of the engine")
    def simulate(self, targets: Mapping[str, str], held: Collection[str] = ()) -> Simulation:
        """Return what installing exactly these versions would change. Holds stay in force, but for the `held` ones."""
        cache = self._cache()
        wanted: list[apt_pkg.Version] = []
        for name, text in targets.items():
            found = next((one for one in _versions(cache, name) if version_text(one) == text), None)
            if found is None:
                return Simulation(problem=f"no authenticated source offers {name} {text}")
            current = found.parent_pkg.current_ver
            if found != current and _on_hold(found.parent_pkg, held):
                return Simulation(problem=f"{name} is on hold")
            if found != current and not may_be_chosen(priority := cache.preferences.get_priority(found)):
                return Simulation(problem=f"apt's preferences exclude {name} {text} (priority {priority})")
            if found != current:
                wanted.append(found)
        if not self._unmarked:
            cache.forget_marks()
        self._unmarked = False
        return _simulate(cache, wanted, held)

    def _readable(self) -> PackageCache:
        """Return a cache whose marks are not touched."""
        own = self._opened is not None and self._opened.is_current
        shared = self._lender.shared_cache() if self._lender and not own else None
        return shared or self._cache()

    def _cache(self) -> PackageCache:
        """Return the own cache, restricted to authenticated versions; its marks are those of the last simulation."""
        if self._opened is None or not self._opened.is_current:
            self._opened = None  # freed before the next one is opened
            taken = self._lender.take_cache() if self._lender else None
            self._opened = taken or PackageCache()
            self._opened.restrict_to(self._opened.trusted)
            self._unmarked = True
        return self._opened


def _versions(cache: PackageCache, name: str) -> Iterator[apt_pkg.Version]:
    """Yield the versions of a package of the native architecture, newest first, without those of unknown origin."""
    if name not in cache.pkg_cache:
        return
    package = cache.pkg_cache[name]
    for version in package.version_list:
        known = offered(version, cache.trusted) or version == package.current_ver
        if known and version_text(version):
            yield version


def _offer(cache: PackageCache, version: apt_pkg.Version) -> Offer:
    origin, archive = origin_of(cache, version, cache.trusted)
    return Offer(
        package=version.parent_pkg.name,
        version=version_text(version),
        site=" ".join(filter(None, (origin, archive))),
        priority=cache.preferences.get_priority(version),
    )


def _on_hold(package: apt_pkg.Package, besides: Collection[str]) -> bool:
    return package.selected_state == apt_pkg.SELSTATE_HOLD and package.name not in besides


def _simulate(cache: PackageCache, wanted: list[apt_pkg.Version], may_change: Collection[str]) -> Simulation:
    """Mark the versions, resolve what they break, and return every change."""
    depcache = cache.depcache
    with apt_pkg.ActionGroup(depcache):
        for version in wanted:
            depcache.set_candidate_ver(version.parent_pkg, version)
        for version in wanted:
            mark(cache, version, with_dependencies=True)
    if not _breaks_nothing_more(cache) and (problem := _resolve(cache, wanted)):
        return Simulation(problem=problem)
    changed = _changed(cache)
    changes = tuple(_changes(cache, changed))
    planned = {change.package: change.after for change in changes}
    missed = [one for one in wanted if planned.get(one.parent_pkg.name) != version_text(one)]
    held = [package.name for package in changed if _on_hold(package, may_change)]
    if missed or held or not _breaks_nothing_more(cache):
        return Simulation(problem=_refusal(cache, missed, held), changes=changes)
    return Simulation(changes=changes, download_bytes=depcache.deb_size, installed_bytes=depcache.usr_size)


def _breaks_nothing_more(cache: PackageCache) -> bool:
    """Whether no package is broken that was not before; removals are allowed here, the plan names them."""
    return cache.broken() <= cache.broken_before and cache.depcache.broken_count <= len(cache.broken_before)


def _resolve(cache: PackageCache, wanted: list[apt_pkg.Version]) -> str:
    """Have libapt mend what the marks break without changing the wanted versions; return its error, if any."""
    resolver = apt_pkg.ProblemResolver(cache.depcache)
    for version in wanted:
        resolver.clear(version.parent_pkg)
        resolver.protect(version.parent_pkg)
    try:
        resolver.resolve(True)
    except LIBAPT_ERRORS as error:
        broken = ", ".join(sorted(_broken_names(cache)))
        return plain_error(message_of(error)) + (f" ({broken})" if broken else "")
    return ""


def _broken_names(cache: PackageCache) -> Iterator[str]:
    for package in cache.pkg_cache.packages:
        if package.id not in cache.broken_before and cache.depcache.is_inst_broken(package):
            yield package.name


def _refusal(cache: PackageCache, missed: list[apt_pkg.Version], held: list[str]) -> str:
    if held:
        return f"{', '.join(sorted(held))}: on hold"
    names = ", ".join(sorted({*_broken_names(cache), *(version.parent_pkg.name for version in missed)}))
    return f"the dependencies cannot be met: {names}"


def _changed(cache: PackageCache) -> list[apt_pkg.Package]:
    return [package for package in cache.pkg_cache.packages if not cache.depcache.marked_keep(package)]


def _changes(cache: PackageCache, changed: Sequence[apt_pkg.Package]) -> Iterator[PackageChange]:
    for package in sorted(changed, key=lambda one: one.name):
        current = package.current_ver
        before = version_text(current) if current is not None else None
        choice = None if cache.depcache.marked_delete(package) else cache.depcache.get_candidate_ver(package)
        after = version_text(choice) if choice is not None else None
        if before != after:
            yield PackageChange(package=package.name, before=before, after=after)
