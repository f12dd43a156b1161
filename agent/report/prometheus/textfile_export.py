"""One run of the Prometheus exporter: the report as metrics, written into the file. Imports no SQLite, no network."""

from agent.core.policy.policy import MetricsPolicy
from agent.core.schedule.backoff import ResponseClass
from agent.errors import HostError
from agent.report.export_result import ExportResult
from agent.report.prometheus.exposition import exposition
from agent.report.prometheus.textfile import IsWanted, always, write_metrics
from agent.report.source import ReportSource


def export_textfile(policy: MetricsPolicy, source: ReportSource, is_wanted: IsWanted = always) -> ExportResult:
    """Replace the file if that is still wanted then; the result says why it could not be written."""
    content = exposition(source.metrics_report(), compatible_names=policy.compatible_names)
    try:
        write_metrics(policy.textfile, content, is_wanted)
    except HostError as error:
        return ExportResult(response_class=ResponseClass.SERVER_ERROR, why=str(error))
    return ExportResult(summary=f"{policy.textfile} written")
