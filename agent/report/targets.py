"""Which exporters a policy turns on, and how each runs: the registry's member paths resolved."""

from datetime import timedelta
from operator import attrgetter

from agent.core.exporters import ExporterName
from agent.core.frozen import frozen
from agent.core.policy.policy import Policy

_INTERVAL = timedelta(minutes=5)
_TIMEOUT = timedelta(seconds=30)


@frozen
class ExportTarget:
    """One exporter that is on."""

    exporter: ExporterName
    interval: timedelta
    timeout: timedelta
    """For one request."""
    settings: object
    """The section of the policy: a change restarts the backoff."""


def enabled_targets(policy: Policy) -> tuple[ExportTarget, ...]:
    """Return the exporters that are on."""
    return tuple(export_target(policy, one) for one in ExporterName if attrgetter(one.switch)(policy))


def export_target(policy: Policy, exporter: ExporterName) -> ExportTarget:
    """Return how an exporter runs."""
    return ExportTarget(
        exporter=exporter,
        interval=attrgetter(exporter.interval)(policy) if exporter.interval else _INTERVAL,
        timeout=attrgetter(exporter.timeout)(policy) if exporter.timeout else _TIMEOUT,
        settings=attrgetter(exporter.switch.split(".", maxsplit=1)[0])(policy),
    )
