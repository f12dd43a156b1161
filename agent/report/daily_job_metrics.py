"""Metrics of who patches this machine, part of the table in `agent.report.metrics`. Pure."""

from agent.report.metric_family import MetricFamily
from agent.report.metric_values import states
from agent.report.status.automatic import AUTOMATIC_STATES

_PATCHERS = ("agent", "unattended-upgrades", "nobody")
"""`agent.core.unattended_upgrades.model.Patcher`."""
PATCHER_FAMILIES = (
    MetricFamily(
        name="maestro.automatic.state",
        help="1 for the current state of automatic checks and upgrades, else 0",
        points=states("state", AUTOMATIC_STATES, "agent", "automatic"),
    ),
    MetricFamily(
        name="maestro.daily_patcher",
        help="1 for who installs security updates daily, else 0; missing before the first check",
        points=states("patcher", _PATCHERS, "agent", "patcher"),
    ),
)
"""In the order of docs/metrics.md."""
