"""The Prometheus exporter as a process: of `report --send`, and of a daemon whose own attempt hangs."""

from agent.core.policy.policy import MetricsPolicy, Policy
from agent.report.export_result import ExportResult
from agent.report.exporter import ExportContext
from agent.report.prometheus.textfile_export import export_textfile


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
        return export_textfile(self._policy, context.source)
