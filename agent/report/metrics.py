"""Metrics of a report: names, help texts and values. Pure.

One table for Prometheus (`agent.report.prometheus.exposition`) and OpenTelemetry (`agent.report.otlp.encode`), so that
a metric has one name and one meaning; a test compares it with docs/metrics.md. Unknown values are left out: a 0 would
mean that all is well. Label values come from bounded lists, never from package names or CVE ids.
"""

from collections.abc import Sequence

from agent.core.frozen import frozen
from agent.core.model.facts import ListsState
from agent.core.model.outcome import Result
from agent.core.schemas import Document
from agent.report.daily_job_metrics import PATCHER_FAMILIES
from agent.report.engine_metrics import ENGINE_FAMILIES
from agent.report.metric_family import MetricFamily
from agent.report.metric_values import (
    Labels,
    Number,
    as_number,
    by_job,
    fixes_by_stage,
    flag,
    info,
    length,
    number,
    seconds,
    states,
    timestamp,
)
from agent.report.reboot_metrics import REBOOT_FAMILIES
from agent.report.release_metrics import RELEASE_FAMILIES
from agent.report.update_metrics import UPDATE_FAMILIES
from agent.report.waiting_metrics import WAITING_FAMILIES

_HEALTH = ("healthy", "attention", "unknown")


@frozen
class Metric:
    """A family with at least one point."""

    family: MetricFamily
    points: Sequence[tuple[Labels, Number]]


def collect_metrics(report: Document) -> tuple[Metric, ...]:
    """Return all metrics whose values are known, in the table's order."""
    found = [Metric(family=family, points=[*family.points(report)]) for family in METRIC_FAMILIES]
    return tuple([metric for metric in found if metric.points])


METRIC_FAMILIES: tuple[MetricFamily, ...] = (
    MetricFamily(
        name="maestro.agent.build_info",
        info=True,
        help="Always 1; the label is the agent's version",
        points=info(version=("agent", "version")),
    ),
    MetricFamily(
        name="maestro.host_info",
        info=True,
        help="Always 1; the labels identify the machine",
        points=info(
            host_id=("host", "id"),
            os=("host", "os", "id"),
            os_version=("host", "os", "version"),
            os_codename=("host", "os", "codename"),
            architecture=("host", "architecture"),
        ),
    ),
    MetricFamily(
        name="maestro.kernel_info",
        info=True,
        help="Always 1; the labels are the running kernel and the newest installed one",
        points=info(running=("kernel", "running"), newest=("kernel", "newest")),
    ),
    MetricFamily(
        name="maestro.report.timestamp",
        unit="s",
        help="When this report was made",
        points=timestamp("generated_at"),
    ),
    MetricFamily(
        name="maestro.agent.start_timestamp",
        unit="s",
        help="When the daemon started; missing without a daemon",
        points=timestamp("agent", "started_at"),
    ),
    MetricFamily(
        name="maestro.boot_timestamp", unit="s", help="When the machine booted", points=timestamp("host", "booted_at")
    ),
    *PATCHER_FAMILIES,
    MetricFamily(
        name="maestro.health",
        help="1 for the machine's current state, else 0",
        points=states("state", _HEALTH, "health"),
    ),
    MetricFamily(
        name="maestro.warnings", unit="{warning}", help="Number of warnings in the report", points=length("warnings")
    ),
    *RELEASE_FAMILIES,
    *WAITING_FAMILIES,
    MetricFamily(
        name="maestro.lists.state",
        help="1 for the current state of the package lists, else 0",
        points=states("state", tuple(state.value for state in ListsState), "lists", "state"),
    ),
    MetricFamily(
        name="maestro.lists.timestamp",
        unit="s",
        help="When the package lists were last verified",
        points=timestamp("lists", "updated_at"),
    ),
    MetricFamily(
        name="maestro.lists.errors",
        unit="{source}",
        help="Number of package sources with errors",
        points=length("lists", "errors"),
    ),
    *UPDATE_FAMILIES,
    MetricFamily(
        name="maestro.packages.to_repair",
        unit="{package}",
        help="Number of packages that dpkg left unfinished",
        points=length("updates", "repair"),
    ),
    MetricFamily(
        name="maestro.last_run.result",
        help="1 for the result of the last run, else 0",
        points=states("result", tuple(result.value for result in Result), "last_outcome", "result"),
    ),
    MetricFamily(
        name="maestro.last_run.start_timestamp",
        unit="s",
        help="When the last run started",
        points=timestamp("last_outcome", "started_at"),
    ),
    MetricFamily(
        name="maestro.last_run.finish_timestamp",
        unit="s",
        help="When the last run ended; missing if it did not",
        points=timestamp("last_outcome", "finished_at"),
    ),
    MetricFamily(
        name="maestro.last_run.upgraded",
        unit="{package}",
        help="Number of packages that the last run upgraded or installed",
        points=number("last_outcome", "upgraded"),
    ),
    MetricFamily(
        name="maestro.last_run.failed",
        unit="{package}",
        help="Number of packages that failed in the last run",
        points=length("last_outcome", "failed"),
    ),
    MetricFamily(
        name="maestro.reboot.required", help="Whether a reboot is required: 1 or 0", points=flag("reboot", "required")
    ),
    MetricFamily(
        name="maestro.reboot.required_since_timestamp",
        unit="s",
        help="Since when a reboot is required; missing if none is",
        points=timestamp("reboot", "since"),
    ),
    MetricFamily(
        name="maestro.reboot.packages",
        unit="{package}",
        help="Number of packages that require a reboot",
        points=length("reboot", "packages"),
    ),
    MetricFamily(
        name="maestro.kernel.outdated",
        help="Whether a newer kernel than the running one is installed: 1 or 0",
        points=flag("kernel", "outdated"),
    ),
    MetricFamily(
        name="maestro.services.need_restart",
        unit="{unit}",
        help="Number of units that run deleted files; missing if unknown",
        points=length("services", "deleted_files"),
    ),
    MetricFamily(
        name="maestro.services.failed_restarts",
        unit="{unit}",
        help="Number of units whose restart by restart-services failed and that were not active since",
        points=length("services", "failed_restarts"),
    ),
    MetricFamily(
        name="maestro.fixes.inactive",
        unit="{fix}",
        help="Number of security fixes that are not active, by the step that they have reached",
        points=fixes_by_stage,
    ),
    MetricFamily(
        name="maestro.fixes.oldest_inactive_timestamp",
        unit="s",
        help="Since when the oldest security fix that is not active has been pending; missing if all are active",
        points=timestamp("exposure", "oldest_since"),
    ),
    *REBOOT_FAMILIES,
    *ENGINE_FAMILIES,
    MetricFamily(
        name="maestro.job.last_start_timestamp",
        unit="s",
        help="When this job last started",
        points=by_job(seconds, "last_started_at"),
    ),
    MetricFamily(
        name="maestro.job.last_finish_timestamp",
        unit="s",
        help="When this job last ended, successfully or not",
        points=by_job(seconds, "last_finished_at"),
    ),
    MetricFamily(
        name="maestro.job.last_exit_code",
        help="Exit code of the last run of this job, as of the commands",
        points=by_job(as_number, "last_exit_code"),
    ),
    MetricFamily(
        name="maestro.job.consecutive_failures",
        unit="{failure}",
        help="Number of consecutive failures of this job",
        points=by_job(as_number, "consecutive_failures"),
    ),
    MetricFamily(
        name="maestro.job.next_timestamp", unit="s", help="When this job is due next", points=by_job(seconds, "next_at")
    ),
    MetricFamily(
        name="maestro.outbox.messages",
        unit="{message}",
        help="Number of events queued for the endpoint",
        points=number("outbox", "depth"),
    ),
    MetricFamily(
        name="maestro.outbox.size", unit="By", help="Size of the queued events", points=number("outbox", "bytes")
    ),
    MetricFamily(
        name="maestro.outbox.oldest_timestamp",
        unit="s",
        help="Time of the oldest queued event; missing if none is queued",
        points=timestamp("outbox", "oldest_at"),
    ),
    MetricFamily(
        name="maestro.outbox.dropped",
        unit="{message}",
        counter=True,
        help="Number of events dropped because the outbox was full or they were too old",
        points=number("outbox", "dropped"),
    ),
    MetricFamily(
        name="maestro.outbox.refused",
        unit="{message}",
        counter=True,
        help="Number of messages that the endpoint rejected",
        points=number("outbox", "refused"),
    ),
)
"""All metrics, in the order of docs/metrics.md."""
