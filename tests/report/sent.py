"""An agent with several exporters, and what a collector received from it."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from agent.state.store import Store
from tests.report.installation import CHECKOUT, ReportingAgent
from tests.support.otel_collector import OtelCollector

Raw = dict[str, Any]


@dataclass(kw_only=True)
class ExportingAgent(ReportingAgent):
    """An agent with `[metrics]` and `[otlp]` beside `[endpoint]`."""

    others: dict[str, dict[str, object]] = field(default_factory=dict)

    def configure(self, *, port: int | None = None, **settings: object) -> None:
        super().configure(port=port, **settings)
        place = self.directory / "config.toml"
        tables = {"endpoint": self.settings} if "url" in self.settings else {}
        lines = []
        for name, values in {**tables, **self.others}.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        place.write_text("\n".join([*lines, ""]))

    def configure_section(self, section: str, **settings: object) -> None:
        """Change these settings of another section; without any, remove it."""
        if settings:
            self.others[section] = {**self.others.get(section, {}), **settings}
        else:
            self.others.pop(section, None)
        self.configure()

    def export_to(self, collector: OtelCollector, **settings: object) -> None:
        """Turn the OTLP exporter on for this collector."""
        self.configure_section("otlp", url=collector.url, ca_file=str(collector.ca_file), **settings)

    def record(self, number: int) -> str:
        """Record a run that has just ended; return its id."""
        outcome = json.loads((CHECKOUT / "tests/golden/outcome.json").read_text())
        run_id = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{number:04}"
        Store(str(self.directory / "state")).write_run(run_id, {**outcome, "id": run_id})
        return run_id

    def exporter_status(self, exporter: str) -> Raw:
        """Return an exporter's entry and state in its status file."""
        name = f"exporter-{exporter}"
        document: Raw = json.loads((self.directory / f"run/{name}.json").read_text())
        entry: Raw = document["exporters"][exporter]
        return {**entry, "export_state": document["export_state"]}


def records(collector: OtelCollector) -> list[Raw]:
    """Return all received log records, with their attributes by name."""
    return [
        {**one, "attributes": {each["key"]: each["value"] for each in one["attributes"]}}
        for taken in collector.taken
        if taken.signal == "logs"
        for one in taken.document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    ]


def run_ids(collector: OtelCollector) -> list[str]:
    """Return the ids of received runs, in order, each as often as it arrived."""
    outcomes = [one["attributes"] for one in records(collector) if one["eventName"] == "maestro.outcome"]
    return [one["maestro.outcome.id"]["stringValue"] for one in outcomes]
