"""Metrics of the release's support, part of the table in `agent.report.metrics`. Pure."""

from agent.core.schemas import Document
from agent.report.metric_family import MetricFamily
from agent.report.metric_values import Points, seconds, states, value_at
from agent.report.status.release_support import SUPPORT_STATES

_DAY_S = 86_400


def _end(report: Document) -> Points:
    """Return the end of the last day with security updates, in UTC; nothing if it is unknown."""
    until = value_at(report, "release", "until")
    start = seconds(f"{until}T00:00:00Z") if isinstance(until, str) else None
    return () if start is None else (((), start + _DAY_S),)


RELEASE_FAMILIES = (
    MetricFamily(
        name="maestro.release.support",
        help="1 for the current support of the release with security updates, else 0",
        points=states("state", SUPPORT_STATES, "release", "support"),
    ),
    MetricFamily(
        name="maestro.release.support_end_timestamp",
        unit="s",
        help="End of the release's security updates, of all phases that this machine has; missing if unknown",
        points=_end,
    ),
)
"""In the order of docs/metrics.md."""
