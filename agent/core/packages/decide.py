"""Every rule of the mission: from facts and policy to a plan with reasons.

Pure: knows no clock, files, processes, network or logging. The package resolver, which is libapt, sits
between the two halves: `admit` says which updates may be tried, `settle` says what the plan is once the
resolver has answered.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from agent.core.model.facts import Facts, Repair, Update
from agent.core.model.kernels import NO_OBSOLETE_KERNELS, KernelRemoval, ObsoleteKernels
from agent.core.model.plan import Held, Plan, Refusal, Resolution, Scope, Step, Why
from agent.core.packages.gates.allowlist import not_allowlisted
from agent.core.packages.gates.registry import first_refusal
from agent.core.packages.kernels import compare_running, obsolete_kernels
from agent.core.policy.policy import RUNTIME_PACKAGES, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Which updates the resolver may try, and which are held before it is asked."""

    admitted: tuple[Update, ...]
    held: tuple[Held, ...]


def admit(policy: Policy, facts: Facts, scope: Scope, dropped: Mapping[str, Refusal] | None = None) -> Admission:
    """Sort the updates on offer into admitted, at most one for each package, and held.

    `dropped` names packages (`name:architecture`) that this run has given up on already, with the reason.
    """
    admitted: dict[tuple[str, str], Update] = {}
    held: list[Held] = []
    for update in updates_in_scope(facts, scope):
        key = (update.package, update.architecture)
        if key in admitted:
            continue
        refusal = (dropped or {}).get(f"{update.package}:{update.architecture}") or first_refusal(policy, update)
        if refusal is None:
            admitted[key] = update
        else:
            held.append(Held.of(update, refusal))
    apart = split_runtime_group(held, admitted.values())
    kept = (update for update in admitted.values() if update not in apart)
    return Admission(admitted=tuple(kept), held=(*held, *(Held.of(one, refusal) for one, refusal in apart.items())))


UpdateOrStep = TypeVar("UpdateOrStep", Update, Step)


def split_runtime_group(held: Iterable[Held], rest: Iterable[UpdateOrStep]) -> dict[UpdateOrStep, Refusal]:
    """Return what of the container runtime must stay because another part of it is held back."""
    first = next((item for item in held if item.package in RUNTIME_PACKAGES), None)
    if first is None:
        return {}
    words = f"goes together with {first.package}, which is held back ({first.why.value})"
    refusal = Refusal(why=Why.RUNTIME_MANAGED, detail=words)
    return {item: refusal for item in rest if item.package in RUNTIME_PACKAGES}


def updates_in_scope(facts: Facts, scope: Scope) -> tuple[Update, ...]:
    """Return what the scope asks for; with everything asked for, the highest version of a package comes first.

    Its security update comes behind that, for a higher version that may not be had must not hide it.
    """
    if scope is Scope.SECURITY:
        return tuple(update for update in facts.updates if update.security)
    return tuple(sorted(facts.updates, key=lambda one: (one.package, one.architecture, one.security)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Less than was tried, after the resolver refused some of it."""

    tried: tuple[Update, ...]
    """What to ask the resolver for next."""
    held: tuple[Held, ...]
    """What is no longer asked for."""


def next_attempt(
    policy: Policy, facts: Facts, scope: Scope, tried: tuple[Update, ...], resolution: Resolution
) -> Fallback | None:
    """Return what else may be tried, or must not be tried alone, after the resolver's answer; None where it stands."""
    lower = _fallbacks(policy, facts, scope, resolution.refused)
    if lower:
        over = {_key(update) for update in lower}
        return Fallback(
            tried=(*(update for update in tried if _key(update) not in over), *lower),
            held=tuple(held for held in resolution.refused if _key(held) in over),
        )
    apart = split_runtime_group(resolution.refused, resolution.steps)
    if not apart:
        return None
    refused = (held for held in resolution.refused if held.package in RUNTIME_PACKAGES)
    return Fallback(
        tried=tuple(update for update in tried if update.package not in RUNTIME_PACKAGES),
        held=(*refused, *(Held.of(step, refusal) for step, refusal in apart.items() if not step.new)),
    )


def _fallbacks(policy: Policy, facts: Facts, scope: Scope, refused: Iterable[Held]) -> tuple[Update, ...]:
    """Return the security updates of packages whose higher version the resolver refused."""
    if scope is Scope.SECURITY:
        return ()
    over = {_key(item): item.candidate for item in refused}
    return tuple(
        update
        for update in facts.updates
        if update.security
        and over.get(_key(update), update.candidate) != update.candidate
        and first_refusal(policy, update) is None
    )


def _key(item: Update | Step | Held) -> tuple[str, str]:
    return (item.package, item.architecture)


def plan_kernel_removal(
    policy: Policy, facts: Facts, install: Iterable[Step], untouchable: Callable[[str], Refusal | None]
) -> ObsoleteKernels:
    """Decide which superseded kernels are removed by a plan that installs these steps.

    `untouchable` is `veto`, or says more.
    """

    def keeps(package: str) -> str | None:
        refusal = untouchable(package) or not_allowlisted(policy, package)
        return refusal.detail if refusal else None

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
    """Put the plan together from what was admitted and what the resolver answered."""
    install = tuple(sorted(resolution.steps, key=lambda step: (step.package, step.architecture)))
    planned = {(step.package, step.architecture, step.candidate) for step in install}
    repair = tuple(sorted(facts.repair, key=lambda item: (item.package, item.architecture)))
    held = sorted(
        # what the allowlist leaves out may still come along as something that another update needs
        (
            item
            for item in (*admission.held, *resolution.refused)
            if (item.package, item.architecture, item.candidate) not in planned
        ),
        key=lambda item: (item.package, item.architecture),
    )
    others = tuple(_others(facts, (*install, *held)))
    return Plan(
        id=plan_id(scope, install, repair, kernels.remove),
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
        kernel=compare_running(facts.kernels),
    )


def plan_id(
    scope: Scope, install: Iterable[Step], repair: Iterable[Repair], remove: Iterable[KernelRemoval] = ()
) -> str:
    """Return a short digest that is the same exactly when the work is the same (12 hex digits)."""
    lines = [scope.value]
    lines += [f"{s.package}:{s.architecture} {s.installed} {s.candidate} {s.origin} {s.archive}" for s in install]
    lines += [f"{r.package}:{r.architecture} {r.state}" for r in repair]
    lines += [f"-{r.name} {r.version}" for r in remove]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _others(facts: Facts, told: Iterable[Step | Held]) -> list[Update]:
    planned = {(item.package, item.architecture, item.candidate) for item in told}
    return [
        update
        for update in facts.updates
        if not update.security and (update.package, update.architecture, update.candidate) not in planned
    ]
