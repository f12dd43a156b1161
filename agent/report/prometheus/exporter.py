"""Writes the numbers of this moment for Prometheus, and says how that went. Needs no network, and imports none."""

from datetime import datetime, timezone

from agent.core.policy.policy import MetricsPolicy
from agent.core.schedule.exports import ExportState
from agent.errors import HostError
from agent.host import log
from agent.report.export_state import export_state_to_document
from agent.report.prometheus.exposition import exposition
from agent.report.prometheus.textfile import write_metrics
from agent.report.source import ReportSource, status_after_attempt
from agent.state.exporter_status import NO_QUEUE, ExporterName, write_exporter_status
from agent.state.store import Store


class TextfileExporter:
    """What writes the file that node_exporter reads."""

    def __init__(self, policy: MetricsPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._run_dir = run_dir
        self._tidings = ReportSource(store, run_dir)

    def write(self) -> str:
        """Write it; return why that failed, empty where it did not."""
        content = exposition(self._tidings.numbers(), compatible_names=self._policy.compatible_names)
        try:
            write_metrics(self._policy.textfile, content)
            why = ""
        except HostError as error:
            why = str(error)
        before = self._tidings.entry(ExporterName.PROMETHEUS)
        if why != before.get("why", ""):
            name = log.LogEvent.EXPORT_FAILED if why else log.LogEvent.EXPORT_DONE
            log.event(name, exporter="prometheus", path=self._policy.textfile, problem=why)
        document = {
            "pulse": export_state_to_document(ExportState(last=datetime.now(timezone.utc))),
            "exporters": {ExporterName.PROMETHEUS.value: {**NO_QUEUE, **status_after_attempt(before, why)}},
        }
        write_exporter_status(self._run_dir, ExporterName.PROMETHEUS, document)
        return why
