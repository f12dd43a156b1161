"""From facts and policy to a plan with reasons: admit, resolve, fall back, build the plan.

Pure given the package resolver (libapt), which is a parameter.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence

from agent.core.debian_version import version_key
from agent.core.frozen import replace
from agent.core.model.facts import Facts, Repair, Update
from agent.core.model.kernels import NO_OBSOLETE_KERNELS, ObsoleteKernels, Removal
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Refusal, Resolution, Step
from agent.core.model.reasons import Reason
from agent.core.model.scope import Scope
from agent.core.packages.admission import Admission, admit
from agent.core.packages.atomic_groups import ATOMIC_GROUPS, AtomicGroup, in_any_group
from agent.core.packages.dropped import Dropped
from agent.core.packages.esm import not_enabled
from agent.core.packages.fallback import next_attempt
from agent.core.packages.gates.allowlist import not_allowlisted
from agent.core.packages.gates.veto import veto
from agent.core.packages.kernels import obsolete_kernels
from agent.core.packages.overridden import overridden
from agent.core.packages.postponed import postponed
from agent.core.packages.soak import soaking_in, waive
from agent.core.policy.policy import Policy

Veto = Callable[[PackageId], Refusal | None]
"""Returns why a package may not be touched even as a dependency; None if it may."""
Resolve = Callable[[Sequence[Update], Veto], Resolution]
"""Asks the package resolver for steps that install these updates and touch nothing that is vetoed."""


def decide(
    policy: Policy,
    facts: Facts,
    scope: Scope,
    dropped: Dropped,
    resolve: Resolve,
    groups: Sequence[AtomicGroup] = ATOMIC_GROUPS,
    *,
    despite_soak: Collection[str] = (),
) -> Plan:
    """Return the plan for these facts without what is `dropped`.

    `despite_soak` are packages (`name` or `name:architecture`) and CVE ids that a person asked for: their updates do
    not wait for soak and cohort, nor does what they need. The plan is whole; `selection` takes the part of it.

    Exceptions of `resolve` are not caught.
    """
    policy, observed, facts = soaking_in(scope, policy), facts, waive(facts, despite_soak)
    withdrawn: dict[str, Refusal] = {}
    """Packages of atomic groups, by name: a group's architectures are withdrawn together."""
    admission = admit(policy, facts, scope, dropped, groups)
    admitted = {update.id for update in admission.admitted}
    waits = postponed(policy, facts, scope, admission, soaking=not despite_soak)

    def untouchable(package: PackageId) -> Refusal | None:
        refusal = veto(policy, package.name) or waits.refusal(package)
        return refusal or dropped.veto(package, admitted) or withdrawn.get(package.name)

    tried, held = admission.admitted, tuple[Held, ...]()
    resolution = resolve(tried, untouchable)
    while (fallback := next_attempt(tried, admission.lower, resolution, groups)) is not None:
        tried, held = fallback.tried, (*held, *fallback.held)
        withdrawn.update({one.package: one.refusal for one in fallback.held if in_any_group(groups, one.package)})
        resolution = resolve(tried, untouchable)
    resolution = replace(resolution, refused=(*held, *resolution.refused))
    kernels = plan_kernel_removal(policy, facts, resolution.steps, untouchable)
    plan = build_plan(facts, scope, admission, resolution, kernels)
    other_held = _held_of(plan.others, policy, facts, dropped, groups) if plan.others else 0
    return replace(plan, overridden=overridden(policy, observed, plan.install), other_held=other_held)


def plan_kernel_removal(policy: Policy, facts: Facts, install: Iterable[Step], untouchable: Veto) -> ObsoleteKernels:
    """Decide which obsolete kernels a plan that installs these steps removes; none of `untouchable`."""

    def keeps(package: PackageId) -> Reason | None:
        refusal = untouchable(package) or not_allowlisted(policy, package.name)
        return refusal.reason if refusal else None

    if not policy.security.remove_old_kernels:
        return NO_OBSOLETE_KERNELS
    return obsolete_kernels(facts.kernels, [step.package for step in install], keeps)


def build_plan(
    facts: Facts,
    scope: Scope,
    admission: Admission,
    resolution: Resolution,
    kernels: ObsoleteKernels = NO_OBSOLETE_KERNELS,
) -> Plan:
    """Build the plan from what was admitted and the resolver's answer."""
    install = tuple(sorted(resolution.steps, key=lambda step: step.id))
    planned = {(step.id, step.candidate) for step in install}
    repair = tuple(sorted(facts.repair, key=lambda item: item.id))
    held = sorted(
        # a package outside the allowlist may still be installed as a dependency of another update
        (item for item in (*admission.held, *resolution.refused) if (item.id, item.candidate) not in planned),
        key=lambda item: item.id,
    )
    others = tuple(_others(facts, install, held))
    return Plan(
        id=plan_id(scope, install, repair, kernels.remove, journal=facts.journal),
        scope=scope,
        seen_at=facts.seen_at,
        lists=facts.lists,
        install=install,
        held=tuple(held),
        repair=repair,
        reboot=facts.reboot,
        other_updates=len(others),
        others=others,
        remove=kernels.remove,
        kept=kernels.kept,
        journal=facts.journal,
        esm_only=tuple(Held.of(update, not_enabled(update)) for update in facts.esm_only),
    )


def with_unused(plan: Plan, unused: tuple[Removal, ...]) -> Plan:
    """Return the plan with the packages that it makes unneeded and removes, and the id of that."""
    identifier = plan_id(plan.scope, plan.install, plan.repair, plan.remove, unused=unused, journal=plan.journal)
    return replace(plan, id=identifier, unused=unused)


def plan_id(
    scope: Scope,
    install: Iterable[Step],
    repair: Iterable[Repair],
    remove: Iterable[Removal] = (),
    *,
    unused: Iterable[Removal] = (),
    journal: bool = False,
) -> str:
    """Return a digest of 12 hex digits: equal for the same work, different for any other."""
    lines = [scope.value]
    lines += [f"{s.id} {s.installed} {s.candidate} {s.origin} {s.archive}" for s in install]
    lines += [f"{s.id} replaces {replaced}" for s in install for replaced in s.replaces]
    unfinished = [(r.id, r.state) for r in repair]
    unfinished += [(PackageId(name="dpkg", architecture=""), "interrupted")] if journal else []
    lines += [f"{package} {state}" for package, state in sorted(unfinished)]
    lines += [f"-{r.id} {r.version}" for r in remove]
    lines += [f"~{r.id} {r.version}" for r in unused]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _held_of(
    others: Iterable[Update], policy: Policy, facts: Facts, dropped: Dropped, groups: Sequence[AtomicGroup]
) -> int:
    """Return how many of these updates a plan of all updates would hold, as far as the gates tell."""
    admitted = {update.id for update in admit(policy, facts, Scope.ALL, dropped, groups).admitted}
    return sum(update.id not in admitted for update in others)


def _others(facts: Facts, install: Iterable[Step], held: Iterable[Held]) -> list[Update]:
    """Return the updates, but for those of security origins, that a plan neither lists nor makes obsolete."""
    reached = {step.id: version_key(step.candidate) for step in install}
    listed = {(item.id, item.candidate) for item in held}
    return [
        update
        for update in facts.updates
        if not update.security
        and (update.id, update.candidate) not in listed
        and not (update.id in reached and version_key(update.candidate) <= reached[update.id])
    ]
