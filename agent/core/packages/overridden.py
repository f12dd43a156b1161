"""Which steps of a plan are carried out although something would have them wait, and what. Pure."""

from collections.abc import Iterable, Iterator

from agent.core.model.facts import Facts, Update
from agent.core.model.plan import Overridden, Step, Why
from agent.core.model.reasons import Reason
from agent.core.packages.snoozes import snoozed_in_part
from agent.core.packages.soak import waiting
from agent.core.policy.policy import Policy


def overridden(policy: Policy, facts: Facts, install: Iterable[Step]) -> tuple[Overridden, ...]:
    """Return the steps that soak, or of which some CVEs are snoozed; `facts` as observed, with every age."""
    planned = {(step.id, step.candidate) for step in install}
    found = (
        Overridden(package=update.package, architecture=update.architecture, why=why, cause=cause)
        for update in facts.updates
        if (update.id, update.candidate) in planned
        for why, cause in _reasons(policy, update)
    )
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.id, one.why.value)))


def _reasons(policy: Policy, update: Update) -> Iterator[tuple[Why, Reason]]:
    refusal = waiting(policy, update)
    if refusal is not None:
        yield refusal.why, refusal.reason
    in_part = snoozed_in_part(update)
    if in_part is not None:
        yield Why.SNOOZED, in_part
