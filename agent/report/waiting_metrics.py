"""Metrics of what waits for a time, part of the table in `agent.report.metrics`. Pure."""

from agent.report.metric_family import MetricFamily
from agent.report.metric_values import length, number

WAITING_FAMILIES = (
    MetricFamily(
        name="maestro.snoozes",
        unit="{snooze}",
        help="Number of packages and CVEs that a person has snoozed; missing if that cannot be read",
        points=length("snoozes"),
    ),
    MetricFamily(
        name="maestro.rollout.cohort",
        help="This machine's cohort in the staged rollout, 0 to 99; missing if no update has to wait",
        points=number("soak", "cohort"),
    ),
)
