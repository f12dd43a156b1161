"""The gates an update passes before the resolver is asked."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from agent.core.model.facts import Update
from agent.core.model.plan import Why
from agent.core.policy.policy import RUNTIME_PACKAGES, Policy

Refusal = tuple[Why, str]
"""A reason and its detail in words."""


def first_refusal(policy: Policy, update: Update) -> Refusal | None:
    """Return the first gate that holds this update back, or None where all are open."""
    refusals = (refuses(policy, update) for refuses in GATES.values())
    return next((refusal for refusal in refusals if refusal is not None), None)


def _hold(_policy: Policy, update: Update) -> Refusal | None:
    return (Why.HELD_BY_ADMIN, "marked hold (`apt-mark unhold` opens it)") if update.on_hold else None


def _named(policy: Policy, update: Update) -> Refusal | None:
    return veto(policy, update.package)


def _allowlist(policy: Policy, update: Update) -> Refusal | None:
    return _unlisted(policy, update.package)


def _unlisted(policy: Policy, package: str) -> Refusal | None:
    patterns = policy.security.allowlist
    if not patterns or _matches(package, patterns):
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


def _matches(package: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(package, pattern) for pattern in patterns)
