"""Turns admitted updates into steps with libapt's dependency marks: all at once or, on conflict, one by one.

No package is removed, no package on hold is changed, and no package comes from an origin that is not allowed. If
libapt's own choices for all updates together obey these rules, they are used. Otherwise origins are restricted and the
updates are tried one by one; each that does not fit is rolled back.
"""

from collections.abc import Iterable, Mapping, Sequence

import apt_pkg

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Update
from agent.core.model.plan import Held, Refusal, Resolution, Step, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.decide import Veto
from agent.errors import ChangedError, HostError
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.candidates import conflicting_origin, newer, offered, origin_of, phased, source_of, version_text
from agent.host.apt.diagnosis import SearchScope, explain_refusal, unattainable
from agent.host.apt.groups import group_steps
from agent.host.apt.marks import find_version, mark, marked
from agent.host.apt.replace import Replaced, Rules, replace_packages


@frozen
class StepOrigins:
    """Index files by their ids: those that steps may come from, and those that make a step a security update."""

    allowed: frozenset[int]
    security: frozenset[int]


def resolve(
    cache: PackageCache, admitted: Sequence[Update], origins: StepOrigins, veto: Veto, *, replacing: bool = False
) -> Resolution:
    """Find the largest installable set of the admitted updates, with their dependencies.

    With `replacing`, packages that others of the set take the place of are removed (`agent.host.apt.replace`).
    Refused updates are returned with the gate that refused them.
    """
    allowed = origins.allowed & cache.trusted
    marks = _Marking(cache, allowed, veto)
    found = [(update, marks.version(update)) for update in admitted]
    refused = [held for update, version in found if (held := _deferred(cache, update, version)) is not None]
    deferred = {(held.package, held.architecture) for held in refused}
    pairs = [pair for pair in found if (pair[0].package, pair[0].architecture) not in deferred]
    if not pairs:
        return Resolution(steps=(), refused=tuple(refused))
    bounds = SearchScope(allowed=allowed, veto=veto)
    stopped = [pair for pair in pairs if unattainable(cache, pair[1], bounds)]
    if not marks.all_at_once([version for _, version in pairs if not any(version is other for _, other in stopped)]):
        cache.restrict_to(allowed)
        marks = _Marking(cache, allowed, veto)
        with apt_pkg.ActionGroup(cache.depcache):
            stopped = marks.one_by_one(pairs)
    replaced = Replaced(versions=tuple(marks.marked_versions()))
    if replacing and stopped:
        replaced = replace_packages(
            cache, replaced.versions, [version for _, version in stopped], Rules(allows=marks.allows, veto=veto)
        )
        taken = {version.parent_pkg.id for version in replaced.versions}
        stopped = [pair for pair in stopped if pair[1].parent_pkg.id not in taken]
    bounds = replace(bounds, stopped=frozenset(version.parent_pkg.id for _, version in stopped))
    refused += [explain_refusal(cache, update, version, bounds) for update, version in stopped]
    steps = [
        replace(to_step(cache, version, origins.allowed, origins.security), replaces=replaced.by(version))
        for version in replaced.versions
    ]
    return Resolution(steps=group_steps(cache, steps), refused=tuple(refused))


class _Marking:
    """The marks on one depcache, checked against the rules."""

    def __init__(self, cache: PackageCache, files: frozenset[int], veto: Veto) -> None:
        self._cache = cache
        self._depcache = cache.depcache
        self._files = files
        self._veto = veto
        self._accepted: dict[int, apt_pkg.Package] = {}
        self._result: list[apt_pkg.Version] = []

    def version(self, update: Update) -> apt_pkg.Version:
        """Return the version object of an update found in this cache."""
        version = find_version(self._cache, update.package, update.architecture, update.candidate, self._files)
        if version is None:
            raise ChangedError(f"{update.label} {update.candidate} is no longer in the package lists")
        return version

    def all_at_once(self, versions: Sequence[apt_pkg.Version]) -> bool:
        """Mark all versions; return whether libapt's choices obey every rule."""
        with apt_pkg.ActionGroup(self._depcache):
            for version in versions:
                self._depcache.set_candidate_ver(version.parent_pkg, version)
            for version in versions:
                mark(self._cache, version, with_dependencies=True)
        if not all(self._depcache.marked_upgrade(version.parent_pkg) for version in versions):
            return False
        self._result = self._marked([version.parent_pkg for version in versions])
        return self._all_allowed()

    def one_by_one(self, pairs: Sequence[tuple[Update, apt_pkg.Version]]) -> list[tuple[Update, apt_pkg.Version]]:
        """Mark the versions that fit, in this order; return the pairs that do not fit."""
        wanted = {version.parent_pkg.id: version for _, version in pairs}
        for version in wanted.values():
            self._depcache.set_candidate_ver(version.parent_pkg, version)
        stopped = []
        for update, version in pairs:
            if version.parent_pkg.id not in self._accepted and not self._try_one(version, wanted):
                stopped.append((update, version))
        self._result = self._marked(list(self._accepted.values()))
        return [pair for pair in stopped if pair[1].parent_pkg.id not in self._accepted]

    def _marked(self, starts: Sequence[apt_pkg.Package]) -> list[apt_pkg.Version]:
        """Return the marked versions reachable from these packages; scans all packages if that misses any."""
        touched = self._touched(starts, besides={})
        if self._depcache.del_count or len(touched) != self._depcache.inst_count:
            return marked(self._cache)
        versions = [self._depcache.get_candidate_ver(package) for package in touched.values()]
        return [version for version in versions if version is not None]

    def marked_versions(self) -> list[apt_pkg.Version]:
        """Return all marked versions, after a final check of every rule on the whole set."""
        if not self._all_allowed():
            raise HostError("apt's resolver would do more than is allowed; `apt-get check` may show what is broken")
        return self._result

    def _all_allowed(self) -> bool:
        return self._cache.breaks_nothing() and all(map(self.allows, self._result))

    def _try_one(self, version: apt_pkg.Version, wanted: dict[int, apt_pkg.Version]) -> bool:
        tried: dict[int, apt_pkg.Version] = {}
        touched: dict[int, apt_pkg.Package] = {}
        queue = [version]
        while queue:
            for each in queue:
                tried[each.parent_pkg.id] = each
                mark(self._cache, each, with_dependencies=True)
            touched = self._touched([each.parent_pkg for each in tried.values()], besides=self._accepted)
            queue = [] if self._cache.breaks_nothing() else self._siblings(touched, tried, wanted)
        if self._fits(version, touched):
            self._accepted.update(touched)
            return True
        self._roll_back(touched)
        return False

    def _fits(self, version: apt_pkg.Version, touched: dict[int, apt_pkg.Package]) -> bool:
        if not self._cache.breaks_nothing() or not self._depcache.marked_upgrade(version.parent_pkg):
            return False
        choices = [self._depcache.get_candidate_ver(package) for package in touched.values()]
        return all(choice is not None and self.allows(choice) for choice in choices)

    def _roll_back(self, touched: dict[int, apt_pkg.Package]) -> None:
        for package in touched.values():
            self._depcache.mark_keep(package)
        if not self._cache.breaks_nothing() or self._depcache.inst_count != len(self._accepted):
            # The traversal missed a change by libapt: start again from the accepted versions.
            accepted = [self._depcache.get_candidate_ver(package) for package in self._accepted.values()]
            self._depcache.init()
            for choice in accepted:
                if choice is not None:
                    mark(self._cache, choice, with_dependencies=False)

    def _touched(
        self, starts: Sequence[apt_pkg.Package], *, besides: Mapping[int, apt_pkg.Package]
    ) -> dict[int, apt_pkg.Package]:
        """Traverse from newly marked packages to all whose marks changed with theirs, except those in `besides`."""
        found = {package.id: package for package in starts}
        queue = list(starts)
        while queue:
            for package in self._neighbours(queue.pop()):
                fresh = package.id not in found and package.id not in besides
                if fresh and not self._depcache.marked_keep(package):
                    found[package.id] = package
                    queue.append(package)
        return found

    def _neighbours(self, package: apt_pkg.Package) -> Iterable[apt_pkg.Package]:
        choice = self._depcache.get_candidate_ver(package)
        for version in (choice, package.current_ver):
            for groups in version.depends_list.values() if version is not None else ():
                for group in groups:
                    for dependency in group:
                        yield dependency.target_pkg
                        yield from (target.parent_pkg for target in dependency.all_targets())
        if not self._cache.breaks_nothing():
            for dependency in package.rev_depends_list:
                yield dependency.parent_pkg

    def _siblings(
        self,
        touched: dict[int, apt_pkg.Package],
        tried: dict[int, apt_pkg.Version],
        wanted: dict[int, apt_pkg.Version],
    ) -> list[apt_pkg.Version]:
        """Return admitted updates, not tried yet, of packages that the current marks would break."""
        found: dict[int, apt_pkg.Version] = {}
        for package in touched.values():
            for dependency in package.rev_depends_list:
                parent = dependency.parent_pkg
                if parent.id in wanted and parent.id not in tried and self._depcache.is_inst_broken(parent):
                    found[parent.id] = wanted[parent.id]
        return list(found.values())

    def allows(self, version: apt_pkg.Version) -> bool:
        """Return whether a step may install a version."""
        package = version.parent_pkg
        return (
            offered(version, self._files)
            and version_text(version) != ""
            and conflicting_origin(self._cache, version, self._files) is None
            and package.selected_state != apt_pkg.SELSTATE_HOLD
            and self._veto(package_id(package)) is None
            and (package.current_ver is None or newer(version, package.current_ver))
        )


def _deferred(cache: PackageCache, update: Update, version: apt_pkg.Version) -> Held | None:
    percentage = None if update.security else phased(cache, version)
    if percentage is None:
        return None
    reason = Reason(code=ReasonCode.ROLLOUT, values=(str(percentage),))
    return Held.of(update, Refusal(why=Why.PHASED, reason=reason))


def to_step(cache: PackageCache, version: apt_pkg.Version, allowed: frozenset[int], security: frozenset[int]) -> Step:
    """Return the step that installs a version; its origin is an allowed one, preferably of security updates."""
    package = version.parent_pkg
    origin, archive = origin_of(cache, version, (security & allowed) if offered(version, security) else allowed)
    return Step(
        package=package.name,
        architecture=package.architecture,
        installed=package.current_ver.ver_str if package.current_ver is not None else None,
        candidate=version.ver_str,
        origin=origin,
        archive=archive,
        security=offered(version, security),
        download_bytes=version.size,
        source=source_of(cache, version),
    )
