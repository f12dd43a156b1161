"""Metrics of pending and held updates, part of the table in `agent.report.metrics`. Pure."""

from agent.report.metric_family import MetricFamily
from agent.report.metric_values import held_reasons, known_cves, number, pending, timestamp

UPDATE_FAMILIES = (
    MetricFamily(
        name="maestro.updates.seen_timestamp",
        unit="s",
        help="When the machine was last checked",
        points=timestamp("updates", "seen_at"),
    ),
    MetricFamily(
        name="maestro.updates.pending",
        unit="{update}",
        help="Number of pending updates that are not held back",
        points=pending,
    ),
    MetricFamily(
        name="maestro.updates.held",
        unit="{update}",
        help="Number of updates held back",
        points=number("updates", "held"),
    ),
    MetricFamily(
        name="maestro.updates.held_reasons",
        unit="{update}",
        help="Number of updates held back for this reason",
        points=held_reasons,
    ),
    MetricFamily(
        name="maestro.updates.hidden_security",
        unit="{update}",
        help="Number of updates with a security fix whose origin is not a security origin",
        points=number("updates", "hidden_security"),
    ),
    MetricFamily(
        name="maestro.updates.esm_only",
        unit="{update}",
        help="Number of fixes that only Ubuntu Pro brings to this machine",
        points=number("updates", "esm_only"),
    ),
    MetricFamily(
        name="maestro.updates.known_cves",
        unit="{cve}",
        help="Number of CVEs that pending updates, held ones included, are known to fix",
        points=known_cves,
    ),
)
"""In the order of docs/metrics.md."""
