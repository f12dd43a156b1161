"""Explains why the resolver refused an update: the failing relation, and which source could satisfy it."""

from collections.abc import Iterator

import apt_pkg

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Update
from agent.core.model.plan import Blocker, Held, Refusal, Why
from agent.core.model.reasons import text_reason
from agent.core.packages.decide import Veto
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.candidates import conflicting_origin, newer, offered, origin_of, version_text

_POSITIVE = ("PreDepends", "Depends")
_NEGATIVE = ("Conflicts", "Breaks")


@frozen
class SearchScope:
    """Constraints on steps: allowed index files, vetoed packages, and package IDs refused in the same pass."""

    allowed: frozenset[int]
    veto: Veto
    stopped: frozenset[int] = frozenset()


def explain_refusal(cache: PackageCache, update: Update, version: apt_pkg.Version, bounds: SearchScope) -> Held:
    """Return why the resolver refused an update."""
    refusal = _Search(cache, bounds).problem(version) or Refusal(
        why=Why.BROKEN_DEPENDENCY,
        reason=text_reason("apt's resolver finds no way to install it without removing or breaking another package"),
    )
    return Held.of(update, refusal)


def unattainable(cache: PackageCache, version: apt_pkg.Version, bounds: SearchScope) -> bool:
    """Whether a dependency of the version certainly cannot be satisfied, so that the resolver need not run.

    Follows dependencies only, not conflicts; a dependency circle counts as satisfiable.
    """
    return _Search(cache, bounds).lacks(version)


class _Search:
    """Follows relations from one refused version to the cause."""

    def __init__(self, cache: PackageCache, bounds: SearchScope) -> None:
        self._cache = cache
        self._bounds = bounds
        self._visited: set[int] = set()

    def problem(self, version: apt_pkg.Version) -> Refusal | None:
        """Return the first relation of the version that cannot be satisfied within bounds; None if all can."""
        self._visited.add(version.id)
        for kind in _POSITIVE:
            for group in version.depends_list.get(kind, []):
                refusal = self._unmet(group)
                if refusal is not None:
                    return refusal
        return self._conflict(version) or self._breaks_others(version)

    def lacks(self, version: apt_pkg.Version) -> bool:
        """Whether a relation of the version, or of all versions that could satisfy it, has no target within bounds."""
        self._visited.add(version.id)
        groups = [group for kind in _POSITIVE for group in version.depends_list.get(kind, [])]
        return any(not any(map(self._attainable, _targets(group))) for group in groups)

    def _attainable(self, target: apt_pkg.Version) -> bool:
        if target == target.parent_pkg.current_ver or target.id in self._visited:
            return True
        return offered(target, self._bounds.allowed) and self._gate(target) is None and not self.lacks(target)

    def _unmet(self, group: list[apt_pkg.Dependency]) -> Refusal | None:
        targets = _targets(group)
        if any(target == target.parent_pkg.current_ver for target in targets):
            return None
        wanted = " or ".join(map(_format, group))
        refusals = [self._unreachable(target, wanted) for target in targets]
        if not refusals:
            return Refusal(
                why=Why.BROKEN_DEPENDENCY, reason=text_reason(f"needs {wanted}, which no configured source offers")
            )
        if any(refusal is None for refusal in refusals):
            return None
        # Of several refused alternatives, prefer one that an administrator can resolve.
        return min(
            (refusal for refusal in refusals if refusal is not None),
            key=lambda refusal: refusal.why is Why.BROKEN_DEPENDENCY,
        )

    def _unreachable(self, target: apt_pkg.Version, wanted: str) -> Refusal | None:
        package = target.parent_pkg
        if not offered(target, self._bounds.allowed):
            return self._elsewhere(target, f"needs {wanted}")
        gate = self._gate(target)
        if gate is not None:
            blocker = Blocker(package=package_id(package).label, why=gate.why)
            return replace(gate.after(f"needs {wanted}, but {package_id(package).label}"), blocker=blocker)
        if target.id in self._visited or (package.current_ver and package.id not in self._bounds.stopped):
            return None
        deeper = self.problem(target)
        return deeper and deeper.after(f"needs {wanted}, and {package_id(package).label} in turn")

    def _gate(self, target: apt_pkg.Version) -> Refusal | None:
        """Return the gate that refuses the version itself; its detail follows the package's name."""
        package = target.parent_pkg
        other = conflicting_origin(self._cache, target, self._bounds.allowed)
        if other is not None:
            return Refusal(
                why=Why.UNTRUSTED, reason=text_reason(f"{version_text(target)} is another package at {other}")
            )
        if package.selected_state == apt_pkg.SELSTATE_HOLD:
            return Refusal(why=Why.HELD_BY_ADMIN, reason=text_reason("is on hold"))
        if target.id not in self._cache.withheld and self._cache.depcache.policy.get_priority(target) < 0:
            return Refusal(
                why=Why.PINNED, reason=text_reason(f"{version_text(target)} is kept out by apt's preferences")
            )
        return self._bounds.veto(package_id(package))

    def _elsewhere(self, target: apt_pkg.Version, need: str) -> Refusal:
        origin, archive = origin_of(self._cache, target, frozenset(self._cache.releases))
        if not archive and not origin:
            return Refusal(why=Why.BROKEN_DEPENDENCY, reason=text_reason(f"{need}, which no configured source offers"))
        where = f"{archive} ({origin})" if archive and origin else archive or origin
        return Refusal(why=Why.NEEDS_OTHER_ORIGIN, reason=text_reason(f"{need}, offered only by {where}"))

    def _conflict(self, version: apt_pkg.Version) -> Refusal | None:
        for kind in _NEGATIVE:
            for dependency in (dependency for group in version.depends_list.get(kind, []) for dependency in group):
                for target in dependency.all_targets():
                    other = target.parent_pkg
                    if other.id != version.parent_pkg.id and target == other.current_ver:
                        verb = "breaks" if kind == "Breaks" else "conflicts with"
                        refusal = self._conflict_resolution(
                            other, f"{verb} the installed {package_id(other).label} {version_text(target)}", dependency
                        )
                        if refusal is not None:
                            return refusal
        return None

    def _conflict_resolution(
        self, other: apt_pkg.Package, clash: str, dependency: apt_pkg.Dependency
    ) -> Refusal | None:
        """Return why an upgrade of the other package cannot resolve the conflict; None if it can."""
        hit = dependency.all_targets()
        better = [v for v in other.version_list if newer(v, other.current_ver) and v not in hit]
        if not better:
            return Refusal(why=Why.WOULD_REMOVE, reason=text_reason(f"{clash}, which would have to be removed"))
        refusals = [self._unreachable(target, f"{package_id(other).label} {version_text(target)}") for target in better]
        first = next((refusal for refusal in refusals if refusal is not None), None)
        if first is None or None in refusals:
            return None
        return first.after(f"{clash}:")

    def _breaks_others(self, version: apt_pkg.Version) -> Refusal | None:
        """Find an installed package that needs the old version or forbids the new one."""
        for dependency in self._installed_relations(version.parent_pkg):
            parent = dependency.parent_pkg
            kind = dependency.dep_type_untranslated
            targets = dependency.all_targets()
            needs_old = kind in _POSITIVE and version.parent_pkg.current_ver in targets and version not in targets
            forbids_new = kind in _NEGATIVE and version in targets
            if not (needs_old or forbids_new) or parent.current_ver is None:
                continue
            name = package_id(parent).label
            verb = kind.lower() if forbids_new else "needs"
            clash = f"the installed {name} {parent.current_ver.ver_str} {verb} {_format(dependency)}"
            better = [v for v in parent.version_list if newer(v, parent.current_ver)]
            if not better:
                return Refusal(
                    why=Why.WOULD_REMOVE,
                    reason=text_reason(f"{clash} and has no newer version, so it would have to be removed"),
                )
            refusals = [self._unreachable(target, f"{name} {version_text(target)}") for target in better]
            if None not in refusals and refusals[0] is not None:
                return refusals[0].after(f"{clash}; the update")
        return None

    def _installed_relations(self, package: apt_pkg.Package) -> Iterator[apt_pkg.Dependency]:
        for dependency in package.rev_depends_list:
            if dependency.parent_ver == dependency.parent_pkg.current_ver:
                yield dependency


def _targets(group: list[apt_pkg.Dependency]) -> list[apt_pkg.Version]:
    return [target for dependency in group for target in dependency.all_targets()]


def _format(dependency: apt_pkg.Dependency) -> str:
    """Format a relation as in a control file, with the architecture that libapt takes: "n (>= 2)", "n:i386"."""
    name = package_id(dependency.target_pkg).label
    if not dependency.target_ver:
        return name
    return f"{name} ({dependency.comp_type_deb} {dependency.target_ver})"
