"""Writes the numbers of this moment for Prometheus, and says how that went. Needs no network, and imports none."""

from datetime import datetime, timezone

from agent import log
from agent.core.policy.policy import MetricsPolicy
from agent.core.schedule.exports import Pulse
from agent.errors import HostError
from agent.report.export_state import pulse_document
from agent.report.prometheus.exposition import text
from agent.report.prometheus.textfile import write_metrics
from agent.report.source import Tidings, tried
from agent.state.exporter_status import NOTHING_WAITS, Listener, write_telling
from agent.state.store import Store


class Scribe:
    """What writes the file that node_exporter reads."""

    def __init__(self, policy: MetricsPolicy, store: Store, run_dir: str) -> None:
        """Take what to go by; looks at nothing yet."""
        self._policy = policy
        self._run_dir = run_dir
        self._tidings = Tidings(store, run_dir)

    def write(self) -> str:
        """Write it; return why that failed, empty where it did not."""
        content = text(self._tidings.numbers(), compatible_names=self._policy.compatible_names)
        try:
            write_metrics(self._policy.textfile, content)
            why = ""
        except HostError as error:
            why = str(error)
        before = self._tidings.entry(Listener.TEXTFILE)
        if why != before.get("why", ""):
            log.event("textfile.failed" if why else "textfile.written", path=self._policy.textfile, problem=why)
        document = {
            "pulse": pulse_document(Pulse(last=datetime.now(timezone.utc))),
            "listeners": {Listener.TEXTFILE.value: {**NOTHING_WAITS, **tried(before, why)}},
        }
        write_telling(self._run_dir, Listener.TEXTFILE, document)
        return why
