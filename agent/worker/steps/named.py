"""The plan for what a person named: packages, and CVEs whose fixes have to be known before one can be named."""

from collections.abc import Collection

from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.explain_cve import is_cve
from agent.worker.context import JobContext
from agent.worker.steps import plan as planning
from agent.worker.steps.plan import Planned
from agent.worker.steps.prefetch import read_changelogs_now


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
        planned = planning.decided_again(context, planned, dropped)
    return planning.without_soak(context, planned, names, dropped)
