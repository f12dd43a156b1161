"""Metrics of reboots, part of the table in `agent.report.metrics`. Pure."""

from collections.abc import Iterator

from agent.core.reboot.gates import RebootWhy
from agent.core.reboot.model import RebootResult
from agent.core.schemas import Document
from agent.report.metric_family import MetricFamily
from agent.report.metric_values import Labels, Number, length, number, states, timestamp, value_at

_WHYS = frozenset(why.value for why in RebootWhy)


def _blocked(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return 1 for the reason that a reboot waits for; nothing if none waits."""
    found = value_at(report, "reboots", "waiting", "why")
    if found in _WHYS:
        yield (("why", str(found)),), 1


def _kept(report: Document) -> Iterator[tuple[Labels, Number]]:
    """Return whether the fleet lock waits for a person; nothing if nothing is on record of one."""
    if isinstance(value_at(report, "fleet_lock", "phase"), str):
        yield (), int(value_at(report, "fleet_lock", "kept") is not None)


REBOOT_FAMILIES = (
    MetricFamily(
        name="maestro.reboot.last_result",
        help="1 for the result of the last reboot, else 0",
        points=states("result", tuple(result.value for result in RebootResult), "reboots", "last", "result"),
    ),
    MetricFamily(
        name="maestro.reboot.last_start_timestamp",
        unit="s",
        help="When the last reboot was begun, whether it happened or not",
        points=timestamp("reboots", "last", "started_at"),
    ),
    MetricFamily(
        name="maestro.reboot.last_downtime",
        unit="s",
        help="How long the machine was down at the last reboot; missing if unknown",
        points=number("reboots", "last", "downtime_s"),
    ),
    MetricFamily(
        name="maestro.reboot.last_problems",
        unit="{problem}",
        help="Number of problems that the last reboot left",
        points=length("reboots", "last", "problems"),
    ),
    MetricFamily(
        name="maestro.reboot.scheduled_timestamp",
        unit="s",
        help="For when a reboot is scheduled; missing if none is",
        points=timestamp("reboots", "scheduled", "at"),
    ),
    MetricFamily(
        name="maestro.reboot.blocked",
        help="Always 1; the label is the reason that a reboot waits for; missing if none waits",
        points=_blocked,
    ),
    MetricFamily(
        name="maestro.fleet_lock.since_timestamp",
        unit="s",
        help="Since when this machine holds, or may hold, a fleet lock; missing if it holds none",
        points=timestamp("fleet_lock", "since"),
    ),
    MetricFamily(
        name="maestro.fleet_lock.kept",
        help="Whether the fleet lock is kept until a person releases it: 1 or 0; missing if none was requested",
        points=_kept,
    ),
    MetricFamily(
        name="maestro.fleet_lock.failing_since_timestamp",
        unit="s",
        help="Since when calls to the lock server do not succeed, refusals included; missing if the last one did",
        points=timestamp("fleet_lock", "refusal", "since"),
    ),
)
"""In the order of docs/metrics.md."""
