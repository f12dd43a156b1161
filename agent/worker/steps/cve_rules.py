"""Reads changelogs before a plan is carried out, where a rule names CVEs: a snooze, or an entry of `soak.override`.

Without that a new update would be installed, or would soak, before anybody knows which CVEs it fixes.
"""

from agent.core.model.plan import Held, Plan, Step
from agent.core.model.scope import Scope
from agent.core.packages.cves import VersionChange
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.explain_cve import cve_id
from agent.core.packages.soak import soaking_in, waiting
from agent.core.policy.policy import PrefetchMode
from agent.worker.context import JobContext
from agent.worker.steps.plan import Planned, decided_again
from agent.worker.steps.prefetch import prefetch_updates, read_changelogs_now


def decided_by_cves(
    context: JobContext, planned: Planned, dropped: Dropped = NOTHING_DROPPED, *, ahead: bool = True
) -> Planned:
    """Return the plan by what the changelogs of its updates name, if a rule depends on that and they can be read.

    `ahead`: whether packages may stay downloaded for it, as those that a check prefetches.

    Raises:
        HostError: the packages cannot be observed.
    """
    tried: set[VersionChange] = set()
    # Again, because a lower version that takes the place of one that is held has a changelog of its own.
    while (unread := _unread(context, planned.plan) - tried) and _rules_name_cves(context, planned):
        if not _read(context, planned, ahead=ahead):
            break
        tried |= unread
        planned = decided_again(context, planned, dropped)
    return planned


def _read(context: JobContext, planned: Planned, *, ahead: bool) -> bool:
    """Read the changelogs, whatever is prefetched otherwise: archives of other plans are thrown away then."""
    off = context.policy.apt.fetch_ahead is PrefetchMode.OFF
    if ahead and not off and planned.plan.scope is Scope.SECURITY:
        return prefetch_updates(context, planned)
    return read_changelogs_now(context, planned)


def _rules_name_cves(context: JobContext, planned: Planned) -> bool:
    """Whether a CVE is snoozed, or exempt from a soak by which any update waits."""
    policy, facts = soaking_in(planned.plan.scope, context.policy), planned.facts
    named = [one.what for one in facts.snoozes]
    if any(waiting(policy, update) is not None for update in facts.updates):
        named += policy.soak.override
    return any(cve_id(one) is not None for one in named)


def _unread(context: JobContext, plan: Plan) -> set[VersionChange]:
    items: tuple[Step | Held, ...] = (*plan.install, *plan.held)
    found = {VersionChange.of(item) for item in items}
    return {one for one in found if one is not None} - context.record.findings().keys()
