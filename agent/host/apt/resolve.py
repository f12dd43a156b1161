"""Turns admitted updates into steps with libapt's dependency marks: all at once or, on conflict, one by one.

No package is removed, no package on hold is changed, none that is vetoed is touched, and none comes from an origin that
is not allowed. If libapt's own choices for all updates together obey these rules, they are used. Otherwise origins are
restricted and the updates are tried one by one; what libapt chose against a rule is kept from it, so that it may find
another way (a recommended package is left out, the next alternative taken), and what does not fit is rolled back.
"""

from collections.abc import Sequence

import apt_pkg

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Update
from agent.core.model.plan import Held, Refusal, Resolution, Step, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.decide import Veto
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import offered, origin_of, phased, source_of
from agent.host.apt.diagnosis import SearchScope, explain_refusal, unattainable
from agent.host.apt.groups import group_steps
from agent.host.apt.marking import Marking
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
    marks = Marking(cache, allowed, veto)
    found = [(update, marks.version(update)) for update in admitted]
    refused = [held for update, version in found if (held := _deferred(cache, update, version)) is not None]
    deferred = {(held.package, held.architecture) for held in refused}
    pairs = [pair for pair in found if (pair[0].package, pair[0].architecture) not in deferred]
    if not pairs:
        return Resolution(steps=(), refused=tuple(refused))
    bounds = SearchScope(allowed=allowed, veto=veto)
    lacking = {version.id for _, version in pairs if unattainable(cache, version, bounds)}
    stopped = [pair for pair in pairs if pair[1].id in lacking]
    tried = [pair for pair in pairs if pair[1].id not in lacking]
    if not marks.all_at_once([version for _, version in tried]):
        cache.restrict_to(allowed)
        marks = Marking(cache, allowed, veto)
        with apt_pkg.ActionGroup(cache.depcache):
            stopped += marks.one_by_one(tried)
    replaced = Replaced(versions=tuple(marks.result))
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
