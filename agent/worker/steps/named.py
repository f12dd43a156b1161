"""The plan for what a person named: packages, and CVEs whose fixes have to be known before one can be named."""

from collections.abc import Collection

from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.explain_cve import is_cve
from agent.worker.context import JobContext
from agent.worker.steps import plan as planning
from agent.worker.steps.observe import Observation
from agent.worker.steps.plan import Planned
from agent.worker.steps.prefetch import read_changelogs_now
from agent.worker.steps.waiting import with_waiting


def as_named(
    context: JobContext,
    planned: Planned,
    names: Collection[str],
    dropped: Dropped = NOTHING_DROPPED,
) -> Planned:
    """Return the plan in which what a person named does not wait for soak and cohort; for a CVE, changelogs are read.

    Raises:
        HostError: the packages cannot be observed.
    """
    if any(map(is_cve, names)) and read_changelogs_now(context, planned):
        # Decided again: a snooze holds an update only if all of its CVEs are known.
        facts = with_waiting(context, planned.facts)
        observation = Observation(facts=facts, snapshot=planned.snapshot)
        plan = planning.decide(context, planned.plan.scope, observation, dropped)
        planned = Planned(plan=plan, facts=facts, snapshot=planned.snapshot)
    return planning.without_soak(context, planned, names, dropped)
