"""The daemon as a process has all its listeners told, takes a new configuration, and tells nothing twice."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.report.installation import CHECKOUT, stored_events, until
from tests.report.sent import Told, records, run_ids
from tests.support.authority import Authority
from tests.support.endpoint_server import Centre
from tests.support.fault_proxy import private_file
from tests.support.otel_collector import OtelCollector, Reply, collecting
from tests.support.promtool import promtool

BAD_STYLE = 3
"""What promtool says of names it does not like, and of no fault."""


@contextmanager
def daemon(told: Told) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one until the block ends, and kill it then; it has looked once."""
    word = told.directory / "run/daemon.json"
    word.unlink(missing_ok=True)  # a killed one leaves its own
    options = ["--config", str(told.directory / "config.toml"), "--state-dir", str(told.directory / "state")]
    command = ["/usr/bin/python3", "-m", "agent", *options, "run", "--run-dir", str(told.directory / "run")]
    with subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, "JOURNAL_STREAM": "1:1"}) as process:
        try:
            until("the daemon has looked", word.exists, 45)
            yield process
        finally:
            process.kill()


def reload_until(daemon: "subprocess.Popen[bytes]", words: str, condition: Callable[[], bool]) -> None:
    """Wait until something holds; have the daemon check now and every two seconds, instead of twice a minute."""
    for _ in range(20):
        daemon.send_signal(signal.SIGHUP)
        with suppress(AssertionError):
            until(words, condition, 2)
            return
    raise AssertionError(words)


def reporting(told: Told) -> Any:
    """Return what the senders say, as `status` reads it."""
    program = (
        "import json, sys; from agent.report.status.collect import collect_status; "
        "from agent.report.status.exporters import exporters_section; from agent.state.store import Store; "
        "print(json.dumps(exporters_section(collect_status(Store(sys.argv[1]), sys.argv[2]).exporters)))"
    )
    places = [str(told.directory / "state"), str(told.directory / "run")]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, *places], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture
def collector(authority: Authority) -> Iterator[OtelCollector]:
    """Return a collector that says yes, and see that nothing came to it against the rules."""
    with collecting(authority) as running:
        yield running
    assert running.wrong == []


@pytest.fixture
def told(centre: Centre, authority: Authority, collector: OtelCollector, tmp_path: Path) -> Told:
    """Return an agent with all three listeners."""
    made = Told(directory=tmp_path)
    (tmp_path / "metrics").mkdir()
    token = private_file(tmp_path / "token", f"{centre.token('--name', 'tests')}\n")
    made.configure(port=centre.port, token_file=str(token), ca_file=str(authority.file))
    made.collect_to(collector)
    made.listen("metrics", textfile=str(tmp_path / "metrics/maestro.prom"))
    return made


def stored_runs(centre: Centre) -> list[str]:
    found = stored_events(centre.directory / "endpoint.db")
    return [body["document"]["id"] for _, _, body in found if body["type"] == "outcome"]


def test_recorded_run_reaches_each_exporter_once(told: Told, centre: Centre, collector: OtelCollector) -> None:
    file = told.directory / "metrics/maestro.prom"
    with daemon(told) as running:
        until("the file is written", file.exists, 45)  # at once, and not only at the first slot
        first = told.record(1)
        reload_until(running, "the first run is told", lambda: stored_runs(centre) == run_ids(collector) == [first])
        code, said = promtool("check", "metrics", content=file.read_text())
        assert code in {0, BAD_STYLE}, said
    with daemon(told) as running:
        time.sleep(1)
        second = told.record(2)
        reload_until(
            running, "the second run is told", lambda: stored_runs(centre) == run_ids(collector) == [first, second]
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
    assert {name for name, part in reporting(told).items() if part and not part["failing_since"]} == {
        "endpoint",
        "prometheus",
        "otlp",
    }


def test_slow_collector_and_missing_directory_do_not_delay_the_endpoint(
    told: Told, centre: Centre, collector: OtelCollector
) -> None:
    told.listen("metrics", textfile=str(told.directory / "missing/maestro.prom"))
    told.listen("otlp", timeout="1m")
    collector.reply = Reply(raw=b"H" * 1000, drip_s=0.1)
    with daemon(told) as running:
        until("a word on the file", lambda: (told.directory / "run/exporter-prometheus.json").exists(), 45)
        first = told.record(1)
        reload_until(running, "the first run is told", lambda: stored_runs(centre) == [first])
        reload_until(running, "the collector is asked", lambda: collector.paths == ["/v1/metrics"])
        second = told.record(2)
        reload_until(running, "the second run is told", lambda: stored_runs(centre) == [first, second])

        assert collector.paths == ["/v1/metrics"]  # the same request hangs on
        found = reporting(told)

    assert "there is no directory" in found["prometheus"]["why"]
    assert found["endpoint"]["failing_since"] is None
    assert found["otlp"] is None


def test_reload_turns_exporters_off_and_on(told: Told, collector: OtelCollector) -> None:
    other = told.directory / "metrics/other.prom"
    told.listen("otlp")
    told.configure()
    with daemon(told) as running:
        until("a word on the file", lambda: (told.directory / "run/exporter-prometheus.json").exists(), 45)
        told.listen("metrics", textfile=str(other))
        reload_until(running, "the other file is written", other.exists)
        reload_until(running, "status has it", lambda: reporting(told)["prometheus"] is not None)
        told.listen("metrics")
        told.collect_to(collector)
        reload_until(
            running, "the word is withdrawn", lambda: not (told.directory / "run/exporter-prometheus.json").exists()
        )
        told.record(1)
        time.sleep(1)
        reload_until(running, "one run is told", lambda: len(run_ids(collector)) == 1)
        reload_until(running, "a word on the collector", lambda: (told.directory / "run/exporter-otlp.json").exists())

        found = reporting(told)

    assert found["prometheus"] is None
    assert found["otlp"]["failing_since"] is None
