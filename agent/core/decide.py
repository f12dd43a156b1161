"""Every rule of the mission: from facts and policy to a plan with reasons.

Pure: knows no clock, files, processes, network or logging. The package resolver, which is libapt, sits
between the two halves: `admit` says which updates may be tried, `settle` says what the plan is once the
resolver has answered.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent.core.model import Facts, Held, Plan, Repair, Resolution, Scope, Step, Update, Why
from agent.core.policy import RUNTIME_PACKAGES, Policy

Refusal = tuple[Why, str]
"""A reason and its detail in words."""


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
    for update in wanted(facts, scope):
        key = (update.package, update.architecture)
        if key in admitted:
            continue
        refusal = (dropped or {}).get(f"{update.package}:{update.architecture}") or gate(policy, update)
        if refusal is None:
            admitted[key] = update
        else:
            held.append(Held.of(update, *refusal))
    return Admission(admitted=tuple(admitted.values()), held=tuple(held))


def wanted(facts: Facts, scope: Scope) -> tuple[Update, ...]:
    """Return what the scope asks for; with everything asked for, the highest version of a package comes first.

    Its security update comes behind that, for a higher version that may not be had must not hide it.
    """
    if scope is Scope.SECURITY:
        return tuple(update for update in facts.updates if update.security)
    return tuple(sorted(facts.updates, key=lambda one: (one.package, one.architecture, one.security)))


def fallbacks(policy: Policy, facts: Facts, scope: Scope, refused: Iterable[Held]) -> tuple[Update, ...]:
    """Return the security updates of packages whose higher version the resolver refused."""
    if scope is Scope.SECURITY:
        return ()
    over = {(item.package, item.architecture): item.candidate for item in refused}
    return tuple(
        update
        for update in facts.updates
        if update.security
        and over.get((update.package, update.architecture), update.candidate) != update.candidate
        and gate(policy, update) is None
    )


def gate(policy: Policy, update: Update) -> Refusal | None:
    """Return the first gate that holds this update back, or None where all are open."""
    refusals = (refuses(policy, update) for refuses in GATES.values())
    return next((refusal for refusal in refusals if refusal is not None), None)


def _hold(_policy: Policy, update: Update) -> Refusal | None:
    return (Why.HELD_BY_ADMIN, "marked hold (`apt-mark unhold` opens it)") if update.on_hold else None


def _named(policy: Policy, update: Update) -> Refusal | None:
    return veto(policy, update.package)


def _allowlist(policy: Policy, update: Update) -> Refusal | None:
    patterns = policy.security.allowlist
    if not patterns or _matches(update.package, patterns):
        return None
    return Why.NOT_ALLOWLISTED, f"not in security.allowlist ({', '.join(patterns)})"


def _signature(_policy: Policy, update: Update) -> Refusal | None:
    if update.rival:
        return Why.UNTRUSTED, f"{update.rival} offers another package as {update.candidate}, and apt mixes them up"
    if update.trusted:
        return None
    return Why.UNTRUSTED, f"{update.origin} {update.archive} is not authenticated: its signature is missing or bad"


def _rollout(_policy: Policy, update: Update) -> Refusal | None:
    if update.phased is None:
        return None
    return Why.PHASED, f"rolled out to {update.phased} % of machines so far, not yet to this one"


def _preferences(_policy: Policy, update: Update) -> Refusal | None:
    return None if update.pin is None else (Why.PINNED, update.pin)


GATES: Mapping[str, Callable[[Policy, Update], Refusal | None]] = {
    "hold": _hold,
    "blocklist": _named,
    "allowlist": _allowlist,
    "signature": _signature,
    "rollout": _rollout,
    "apt-preferences": _preferences,
}
"""Every gate that an update passes before the resolver is asked, in order; `explain` shows them all."""


def veto(policy: Policy, package: str) -> Refusal | None:
    """Return why this package may not be touched by any step, not even as a dependency; None where it may."""
    for pattern in policy.security.blocklist:
        if fnmatchcase(package, pattern):
            return Why.BLOCKLISTED, f"matches {pattern!r} in security.blocklist"
    if package in RUNTIME_PACKAGES and not policy.security.include_runtime:
        return (
            Why.RUNTIME_MANAGED,
            "belongs to the container runtime: upgrading it means downtime (security.include_runtime = true opens it)",
        )
    return None


def settle(facts: Facts, scope: Scope, admission: Admission, resolution: Resolution) -> Plan:
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
    return Plan(
        id=plan_id(scope, install, repair),
        scope=scope,
        seen_at=facts.seen_at,
        lists=facts.lists,
        install=install,
        held=tuple(held),
        repair=repair,
        reboot=facts.reboot,
        other_updates=len(_others(facts, (*install, *held))),
    )


def plan_id(scope: Scope, install: Iterable[Step], repair: Iterable[Repair]) -> str:
    """Return a short digest that is the same exactly when the work is the same (12 hex digits)."""
    lines = [scope.value]
    lines += [f"{s.package}:{s.architecture} {s.installed} {s.candidate} {s.origin} {s.archive}" for s in install]
    lines += [f"{r.package}:{r.architecture} {r.state}" for r in repair]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _matches(package: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(package, pattern) for pattern in patterns)


def _others(facts: Facts, told: Iterable[Step | Held]) -> list[Update]:
    planned = {(item.package, item.architecture, item.candidate) for item in told}
    return [
        update
        for update in facts.updates
        if not update.security and (update.package, update.architecture, update.candidate) not in planned
    ]
