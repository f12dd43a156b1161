"""Soak and cohort: when an update that this machine has first seen at some time is due. Pure.

An update is due at first seen + soak of its class + rollout x cohort / 100.
"""

from collections.abc import Collection
from datetime import datetime
from fnmatch import fnmatchcase

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Facts, Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.model.scope import Scope
from agent.core.model.waiting import Age
from agent.core.packages.named import is_named
from agent.core.policy.policy import Policy, SoakPolicy

COHORTS = 100


@frozen
class Due:
    """When an update is due."""

    soaked_at: datetime
    """When its soak ends."""
    at: datetime
    """When the rollout reaches this machine; not before `soaked_at`."""


def due(soak: SoakPolicy, age: Age, *, security: bool) -> Due:
    """Return when an update of that age and class is due."""
    soaked_at = age.first_seen_at + (soak.security if security else soak.other)
    return Due(soaked_at=soaked_at, at=soaked_at + soak.rollout * age.cohort / COHORTS)


def waiting(policy: Policy, update: Update) -> Refusal | None:
    """Return why an update is not due yet; None if it is, if nothing is known of its age, or if it is exempt."""
    age = update.age
    if age is None or is_exempt(policy.soak, update):
        return None
    found = due(policy.soak, age, security=update.security)
    if age.observed_at < found.soaked_at:
        values = (age.first_seen_at, found.soaked_at)
        reason = Reason(code=ReasonCode.SOAKING, values=values)
        if age.earlier_at is not None:
            reason = Reason(code=ReasonCode.SOAKING_AGAIN, values=(*values, age.earlier_at))
        return Refusal(why=Why.SOAKING, reason=reason, until=found.at)
    if age.observed_at < found.at:
        reason = Reason(code=ReasonCode.NOT_IN_COHORT, values=(age.first_seen_at, str(age.cohort), found.at))
        return Refusal(why=Why.NOT_IN_COHORT, reason=reason, until=found.at)
    return None


def is_exempt(soak: SoakPolicy, update: Update) -> bool:
    """Whether `soak.override` names the update, by a pattern of its name or by a CVE."""
    return _override(soak, update) is not None


def why_due(policy: Policy, update: Update) -> Reason | None:
    """Return since when an update is due, or what exempts it; None if nothing has to wait, or it is not due."""
    soak, age = policy.soak, update.age
    if age is None or not (soak.security or soak.other or soak.rollout) or waiting(policy, update) is not None:
        return None
    exempt = _override(soak, update)
    if exempt is not None:
        return Reason(code=ReasonCode.SOAK_OVERRIDDEN, values=(exempt, age.first_seen_at))
    return Reason(code=ReasonCode.SOAKED, values=(age.first_seen_at, due(soak, age, security=update.security).at))


def _override(soak: SoakPolicy, update: Update) -> str | None:
    return next((one for one in soak.override if fnmatchcase(update.package, one) or one in update.cves), None)


def soaking_in(scope: Scope, policy: Policy) -> Policy:
    """Return the policy by which a scope is planned: a new server has no reason to wait for any update."""
    return replace(policy, soak=SoakPolicy()) if scope is Scope.PROVISION else policy


def waive(facts: Facts, names: Collection[str]) -> Facts:
    """Return the facts in which the updates that are named by package or CVE do not wait for soak and cohort."""
    if not names:
        return facts
    updates = (replace(update, age=None) if is_named(update, names) else update for update in facts.updates)
    return replace(facts, updates=tuple(updates))
