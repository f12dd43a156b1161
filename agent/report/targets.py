"""Which listeners a policy names, and how each wants to be told."""

from dataclasses import dataclass
from datetime import timedelta

from agent.core.policy.policy import EndpointPolicy, MetricsPolicy, OtlpPolicy, Policy
from agent.state.exporter_status import ExporterName

_NUMBERS_EVERY = timedelta(minutes=5)
_WRITING = timedelta(seconds=30)
"""What writing one file may take: the disk of a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTarget:
    """One listener that is on."""

    listener: ExporterName
    interval: timedelta
    patience: timedelta
    """For one request."""
    by: EndpointPolicy | MetricsPolicy | OtlpPolicy
    local: bool = False
    """Whether it is this very machine: nobody else's load, so it need not wait for a slot."""


def enabled_targets(policy: Policy) -> tuple[ExportTarget, ...]:
    """Return those that are on."""
    centre, metrics, otlp = policy.endpoint, policy.metrics, policy.otlp
    found = (
        (
            centre.url,
            ExportTarget(listener=ExporterName.ENDPOINT, interval=centre.interval, patience=centre.timeout, by=centre),
        ),
        (
            metrics.textfile,
            ExportTarget(
                listener=ExporterName.PROMETHEUS, interval=_NUMBERS_EVERY, patience=_WRITING, by=metrics, local=True
            ),
        ),
        (otlp.url, ExportTarget(listener=ExporterName.OTLP, interval=_NUMBERS_EVERY, patience=otlp.timeout, by=otlp)),
    )
    return tuple(one for place, one in found if place)
