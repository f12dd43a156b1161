"""Metrics of Docker and Weave, part of the table in `agent.report.metrics`. Pure."""

from collections.abc import Iterator

from agent.core.model.engine_plan import Component
from agent.core.schemas import Document
from agent.report.metric_family import MetricFamily
from agent.report.metric_values import Labels, Number, as_number, flag, info, printable, value_at


def _blocked(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return the number of reasons why an upgrade may not happen, by component; nothing for one that is not there."""
    for component in Component:
        found = value_at(report, component.value, "blocked")
        if isinstance(found, list):
            yield (("component", component.value),), len(found)


def _last_result(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return 1 for the result of the last upgrade of each component."""
    for component in Component:
        found = value_at(report, component.value, "last_upgrade", "result")
        if isinstance(found, str):
            yield (("component", component.value), ("result", printable(found))), 1


def _last_downtime(report: Document) -> Iterator[tuple[Labels, Number]]:
    for component in Component:
        found = as_number(value_at(report, component.value, "last_upgrade", "engine_s"))
        if found is not None:
            yield (("component", component.value),), found


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
    MetricFamily(
        name="maestro.engine.last_upgrade_result",
        help="Always 1; the labels are the component and the result of its last upgrade",
        points=_last_result,
    ),
    MetricFamily(
        name="maestro.engine.last_downtime",
        unit="s",
        help="How long the engine did not answer during its last upgrade; missing if that was not measured",
        points=_last_downtime,
    ),
)
"""In the order of docs/metrics.md."""
