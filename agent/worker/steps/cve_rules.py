"""Reads changelogs before a plan is carried out, where a rule names CVEs: a snooze, or an entry of `soak.override`.

Without that a new update would be installed, or would soak, before anybody knows which CVEs it fixes.
"""

from agent.core.model.facts import Facts
from agent.core.packages.cves import VersionChange
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.explain_cve import cve_id
from agent.core.policy.policy import PrefetchMode
from agent.worker.context import JobContext
from agent.worker.steps.plan import Planned, decided_again
from agent.worker.steps.prefetch import prefetch_updates, read_changelogs_now


def decided_by_cves(context: JobContext, planned: Planned, dropped: Dropped = NOTHING_DROPPED) -> Planned:
    """Return the plan by what the changelogs of all updates name, if a rule depends on that and they can be read.

    Raises:
        HostError: the packages cannot be observed.
    """
    if not _rules_name_cves(context, planned.facts) or not _has_unread(context, planned.facts):
        return planned
    # A rule has to know them whatever is prefetched otherwise: the archives are thrown away then.
    read = read_changelogs_now if context.policy.apt.fetch_ahead is PrefetchMode.OFF else prefetch_updates
    if not read(context, planned):
        return planned
    return decided_again(context, planned, dropped)


def _rules_name_cves(context: JobContext, facts: Facts) -> bool:
    named = (*context.policy.soak.override, *(one.what for one in facts.snoozes))
    return any(cve_id(one) is not None for one in named)


def _has_unread(context: JobContext, facts: Facts) -> bool:
    known = context.record.findings()
    return any(VersionChange.of(update) not in known for update in facts.updates if update.security)
