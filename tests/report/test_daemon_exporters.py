"""The daemon as a process runs all exporters, reloads its configuration, and sends nothing twice."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.report.installation import CHECKOUT, stored_events, until
from tests.report.sent import ExportingAgent, records, run_ids
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer
from tests.support.fault_proxy import private_file
from tests.support.otel_collector import OtelCollector, Reply, collecting
from tests.support.promtool import promtool

BAD_STYLE = 3
"""promtool's exit code for style warnings only."""


@contextmanager
def daemon(agent: ExportingAgent) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a daemon that has done its first tick; kill it at the end of the block."""
    status = agent.directory / "run/daemon.json"
    status.unlink(missing_ok=True)  # a killed daemon leaves its file
    options = ["--config", str(agent.directory / "config.toml"), "--state-dir", str(agent.directory / "state")]
    command = ["/usr/bin/python3", "-m", "agent", *options, "run", "--run-dir", str(agent.directory / "run")]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            until("the daemon's first tick", status.exists, 45)
            yield process
        finally:
            process.kill()


def reload_until(daemon: "subprocess.Popen[bytes]", words: str, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, with a tick of the daemon now and every two seconds instead of two a minute."""
    for _ in range(20):
        daemon.send_signal(signal.SIGHUP)
        with suppress(AssertionError):
            until(words, condition, 2)
            return
    raise AssertionError(words)


def reporting(agent: ExportingAgent) -> Any:
    """Return `reporting` of the status."""
    program = (
        "import json, sys; from agent.report.status.collect import collect_status; "
        "from agent.report.status.exporters import exporters_section; from agent.state.store import Store; "
        "print(json.dumps(exporters_section(collect_status(Store(sys.argv[1]), sys.argv[2]).exporters)))"
    )
    places = [str(agent.directory / "state"), str(agent.directory / "run")]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, *places], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture
def collector(authority: Authority) -> Iterator[OtelCollector]:
    """Return a collector that accepts everything; afterwards, no request may have broken the rules."""
    with collecting(authority) as running:
        yield running
    assert running.wrong == []


@pytest.fixture
def agent(
    endpoint: EndpointServer, endpoint_token: str, authority: Authority, collector: OtelCollector, tmp_path: Path
) -> ExportingAgent:
    """Return an agent with all three exporters."""
    made = ExportingAgent(directory=tmp_path)
    (tmp_path / "metrics").mkdir()
    token = private_file(tmp_path / "token", f"{endpoint_token}\n")
    made.configure(port=endpoint.port, token_file=str(token), ca_file=str(authority.file))
    made.export_to(collector)
    made.configure_section("metrics", textfile=str(tmp_path / "metrics/maestro.prom"))
    return made


def stored_runs(endpoint: EndpointServer) -> list[str]:
    found = stored_events(endpoint.directory / "endpoint.db")
    return [body["document"]["id"] for _, _, body in found if body["type"] == "outcome"]


def test_recorded_run_reaches_each_exporter_once(
    agent: ExportingAgent, endpoint: EndpointServer, collector: OtelCollector
) -> None:
    file = agent.directory / "metrics/maestro.prom"
    with daemon(agent) as running:
        until("the file is written", file.exists, 45)  # at once, not at the first slot
        first = agent.record(1)
        reload_until(running, "the first run is sent", lambda: stored_runs(endpoint) == run_ids(collector) == [first])
        code, output = promtool("check", "metrics", content=file.read_text())
        assert code in {0, BAD_STYLE}, output
    time.sleep(1)  # starts are distinguished by their second
    with daemon(agent) as running:
        time.sleep(1)
        second = agent.record(2)
        reload_until(
            running, "the second run is sent", lambda: stored_runs(endpoint) == run_ids(collector) == [first, second]
        )
        reload_until(
            running,
            "its result is in the file",
            lambda: 'maestro_last_run_result{result="failed"} 1\n' in file.read_text(),
        )

    kinds = [one["eventName"] for one in records(collector)]
    started, outcome = "maestro.agent_started", "maestro.outcome"
    assert kinds[0] == "maestro.outbox_begun"
    assert [sorted(kinds[1:3]), sorted(kinds[3:])] == [[started, outcome], [started, outcome]]
    assert {name for name, part in reporting(agent).items() if part and not part["failing_since"]} == {
        "endpoint",
        "prometheus",
        "otlp",
    }


def test_slow_collector_and_missing_directory_do_not_delay_the_endpoint(
    agent: ExportingAgent, endpoint: EndpointServer, collector: OtelCollector
) -> None:
    agent.configure_section("metrics", textfile=str(agent.directory / "missing/maestro.prom"))
    agent.configure_section("otlp", timeout="1m")
    collector.reply = Reply(raw=b"H" * 1000, drip_s=0.1)
    with daemon(agent) as running:
        until(
            "the prometheus exporter's status", lambda: (agent.directory / "run/exporter-prometheus.json").exists(), 45
        )
        first = agent.record(1)
        reload_until(running, "the first run is sent", lambda: stored_runs(endpoint) == [first])
        reload_until(running, "the collector gets a request", lambda: collector.paths == ["/v1/metrics"])
        second = agent.record(2)
        reload_until(running, "the second run is sent", lambda: stored_runs(endpoint) == [first, second])

        assert collector.paths == ["/v1/metrics"]  # the same request still hangs
        found = reporting(agent)

    assert "there is no directory" in found["prometheus"]["why"]
    assert found["endpoint"]["failing_since"] is None
    assert found["otlp"] is None


def test_reload_turns_exporters_off_and_on(agent: ExportingAgent, collector: OtelCollector) -> None:
    other = agent.directory / "metrics/other.prom"
    agent.configure_section("otlp")
    agent.configure()
    with daemon(agent) as running:
        until(
            "the prometheus exporter's status", lambda: (agent.directory / "run/exporter-prometheus.json").exists(), 45
        )
        agent.configure_section("metrics", textfile=str(other))
        reload_until(running, "the other file is written", other.exists)
        reload_until(running, "status shows it", lambda: reporting(agent)["prometheus"] is not None)
        agent.configure_section("metrics")
        agent.export_to(collector)
        reload_until(
            running,
            "the status file is removed",
            lambda: not (agent.directory / "run/exporter-prometheus.json").exists(),
        )
        agent.record(1)
        time.sleep(1)
        reload_until(running, "one run is sent", lambda: len(run_ids(collector)) == 1)
        reload_until(
            running, "the otlp exporter's status", lambda: (agent.directory / "run/exporter-otlp.json").exists()
        )

        found = reporting(agent)

    assert found["prometheus"] is None
    assert found["otlp"]["failing_since"] is None
