"""The Prometheus exporter: writes the metrics for node_exporter's textfile collector. Imports no network library."""

from agent.core.policy.policy import MetricsPolicy, Policy
from agent.core.schedule.backoff import ResponseClass
from agent.errors import HostError
from agent.report.export_result import ExportResult
from agent.report.exporter import ExportContext
from agent.report.prometheus.exposition import exposition
from agent.report.prometheus.textfile import write_metrics


def create(policy: Policy) -> "TextfileExporter":
    """Return the exporter under this policy."""
    return TextfileExporter(policy.metrics)


class TextfileExporter:
    """Writes one file; events are not for it."""

    queue = None

    def __init__(self, policy: MetricsPolicy) -> None:
        """Take the settings; writes nothing yet."""
        self._policy = policy

    def run(self, context: ExportContext) -> ExportResult:
        """Replace the file."""
        content = exposition(context.source.metrics_report(), compatible_names=self._policy.compatible_names)
        try:
            write_metrics(self._policy.textfile, content)
        except HostError as error:
            return ExportResult(response_class=ResponseClass.SERVER_ERROR, why=str(error))
        return ExportResult(summary=f"{self._policy.textfile} written")
