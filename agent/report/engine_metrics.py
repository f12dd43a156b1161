"""Metrics of Docker and Weave, part of the table in `agent.report.metrics`. Pure."""

from collections.abc import Iterator

from agent.core.model.engine_plan import Component
from agent.core.schemas import Document
from agent.report.metric_family import MetricFamily
from agent.report.metric_values import Labels, Number, flag, info, value_at


def _blocked(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return the number of reasons why an upgrade may not happen, by component; nothing for one that is not there."""
    for component in Component:
        found = value_at(report, component.value, "blocked")
        if isinstance(found, list):
            yield (("component", component.value),), len(found)


ENGINE_FAMILIES = (
    *(
        family
        for name, title in (("docker", "Docker"), ("weave", "Weave"))
        for family in (
            MetricFamily(
                name=f"maestro.{name}.info",
                help=f"Always 1; the labels are the installed, the running and the wanted version of {title}",
                points=info(**{part: (name, part) for part in ("installed", "running", "wanted")}),
            ),
            MetricFamily(
                name=f"maestro.{name}.restart_pending",
                help=f"Whether another version of {title} than the installed one runs: 1 or 0",
                points=flag(name, "restart_pending"),
            ),
        )
    ),
    MetricFamily(
        name="maestro.engine.blocked",
        unit="{reason}",
        help="Number of reasons why an upgrade of this component may not happen",
        points=_blocked,
    ),
)
"""In the order of docs/metrics.md."""
