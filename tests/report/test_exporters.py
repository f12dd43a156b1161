"""Prometheus, a collector and the endpoint at once: independent processes, nothing lost, no mutual delays."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.exporters import ExporterName
from agent.core.policy.policy import OtlpPolicy
from agent.host.machine.identity import host_id
from agent.report.otlp.exporter import QUEUE_LIMITS, OtlpExporter
from agent.report.outbox.file import open_outbox
from agent.report.runner import ExporterRun
from agent.state.store import Store
from agent.state.timestamps import parse_utc
from tests.report.installation import CHECKOUT, stored_events
from tests.report.sent import ExportingAgent, records, run_ids
from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer
from tests.support.fault_proxy import private_file
from tests.support.otel_collector import OtelCollector, Reply, collecting
from tests.support.promtool import promtool

NETWORK = ("requests", "urllib3", "agent.report.endpoint.client", "agent.report.otlp.client")
JSON = ("Content-Type", "application/json")


@pytest.fixture
def agent(tmp_path: Path) -> ExportingAgent:
    """Return an agent without an exporter."""
    made = ExportingAgent(directory=tmp_path)
    (tmp_path / "metrics").mkdir()
    made.configure()
    return made


@pytest.fixture
def collector(authority: Authority) -> Iterator[OtelCollector]:
    """Return a collector that accepts everything; afterwards, no request may have broken the rules."""
    with collecting(authority) as running:
        yield running
    assert running.wrong == []


def to_endpoint(agent: ExportingAgent, endpoint: EndpointServer, authority: Authority) -> None:
    token = private_file(agent.directory / "token", f"{endpoint.token('--name', 'tests')}\n")
    agent.configure(port=endpoint.port, token_file=str(token), ca_file=str(authority.file))


def textfile(agent: ExportingAgent) -> Path:
    agent.configure_section("metrics", textfile=str(agent.directory / "metrics/maestro.prom"))
    return agent.directory / "metrics/maestro.prom"


def test_send_without_an_exporter_is_a_configuration_error(agent: ExportingAgent) -> None:
    done = agent.send()

    assert done.returncode == 78
    assert "no exporter is configured: set endpoint.url" in done.stderr


def test_send_runs_all_three_and_each_prints_its_result(
    agent: ExportingAgent, endpoint: EndpointServer, authority: Authority, collector: OtelCollector
) -> None:
    to_endpoint(agent, endpoint, authority)
    agent.export_to(collector)
    file = textfile(agent)
    agent.send()
    ours = agent.record(1)

    done = agent.send()

    assert done.returncode == 0, done.stdout
    lines = sorted(done.stdout.splitlines())
    assert lines[0] == "endpoint: 2 messages delivered."
    assert lines[1].startswith("otlp: 1 event and ")
    assert lines[2] == f"prometheus: {file} written."
    assert run_ids(collector) == [ours]
    assert [body["document"]["id"] for _, _, body in stored_events(endpoint.directory / "endpoint.db")[1:]] == [ours]
    assert promtool("check", "metrics", content=file.read_text())[0] in {0, 3}
    assert "\nmaestro_outbox_messages 0\n" in file.read_text()
    assert [agent.exporter_status(name)["failing_since"] for name in ("endpoint", "prometheus", "otlp")] == [None] * 3


def test_prometheus_alone_imports_no_network_library_and_creates_no_outbox(agent: ExportingAgent) -> None:
    textfile(agent)
    options = ["--config", str(agent.directory / "config.toml"), "--state-dir", str(agent.directory / "state")]
    command = [*options, "export-prometheus", "--run-dir", str(agent.directory / "run")]
    program = f"import sys; from agent.cli.main import main; main({command!r}); print(*sys.modules)"

    done = subprocess.run(["/usr/bin/python3", "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    words = done.stdout.split()
    assert "agent.report.prometheus.exporter" in words
    assert [name for name in NETWORK if name in words] == []
    assert list((agent.directory / "state").iterdir()) == []


def test_unwritable_file_is_reported_with_the_remedy(agent: ExportingAgent) -> None:
    agent.configure_section("metrics", textfile=str(agent.directory / "missing/maestro.prom"))

    failed = agent.send()
    why = agent.exporter_status("prometheus")["why"]
    (agent.directory / "missing").mkdir()
    repaired = agent.send()

    assert (failed.returncode, repaired.returncode) == (1, 0)
    assert f"there is no directory {agent.directory}/missing" in failed.stdout
    assert why in failed.stdout
    assert agent.exporter_status("prometheus")["failing_since"] is None


def test_events_are_queued_for_an_unreachable_collector_and_metrics_are_not(
    agent: ExportingAgent, authority: Authority
) -> None:
    with collecting(authority, name="first") as gone:
        agent.export_to(gone)
    agent.send()
    runs = [agent.record(number) for number in range(3)]
    away = agent.send()
    status = agent.exporter_status("otlp")

    with collecting(authority, name="second") as back:
        agent.export_to(back)
        done = agent.send()
        agent.send()

    assert (away.returncode, done.returncode) == (1, 0)
    assert status["why"] == "metrics: Connection refused"
    assert status["depth"] == 4
    assert (
        status["export_state"]["not_before"] > status["export_state"]["last"] or status["export_state"]["failures"] == 2
    )
    assert run_ids(back) == runs
    assert [one.signal for one in back.taken] == ["metrics", "logs", "metrics"]
    assert [one["attributes"]["maestro.sequence"]["intValue"] for one in records(back)] == ["1", "2", "3", "4"]
    assert agent.exporter_status("otlp")["depth"] == 0


def test_retry_after_of_a_collector_is_respected(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector)
    collector.reply = Reply(status=429, headers=(("Retry-After", "1800"),))

    done = agent.send()

    status = agent.exporter_status("otlp")
    wait = parse_utc(status["export_state"]["not_before"]) - datetime.now(timezone.utc)
    assert done.returncode == 1
    assert "metrics: answered 429" in done.stdout
    assert timedelta(minutes=29) < wait <= timedelta(minutes=46)
    assert [one.signal for one in collector.taken] == ["metrics"]
    assert (status["depth"], status["refused"]) == (1, 0)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>Please log in</html>"),
        Reply(status=302, headers=(("Location", "https://127.0.0.1:1/"),)),
        Reply(status=404),
    ],
    ids=["garbage", "redirect", "nothing there"],
)
def test_permanently_rejected_items_are_counted_reported_and_dropped(
    agent: ExportingAgent, collector: OtelCollector, reply: Reply
) -> None:
    agent.export_to(collector)
    agent.record(1)
    collector.reply = reply

    failed = agent.send()
    status = agent.exporter_status("otlp")
    collector.reply = Reply()
    done = agent.send()

    assert (failed.returncode, done.returncode) == (1, 0)
    assert (status["depth"], status["refused"]) == (0, 2)
    assert status["points_refused"] > 10
    assert status["why"].count("answered ") == 2
    assert [one.signal for one in collector.taken] == ["metrics", "logs", "metrics"]
    assert set(collector.paths) == {"/v1/metrics", "/v1/logs"}
    assert agent.exporter_status("otlp")["refused"] == 2


def test_partial_success_is_counted_and_not_resent(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector, metrics=False)
    for number in range(4):
        agent.record(number)
    collector.reply = Reply(body=b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}')

    done = agent.send()
    agent.send()

    assert done.returncode == 0
    assert done.stdout == "otlp: 2 events and 0 numbers delivered.\n"
    assert len(collector.taken) == 1
    assert (agent.exporter_status("otlp")["refused"], agent.exporter_status("otlp")["depth"]) == (3, 0)


def test_unreadable_headers_file_sends_nothing_and_loses_nothing(
    agent: ExportingAgent, collector: OtelCollector
) -> None:
    agent.export_to(collector, headers_file=str(agent.directory / "headers"))
    agent.record(1)

    failed = agent.send()
    sent = list(collector.paths)
    private_file(agent.directory / "headers", "Authorization: Bearer s3cr3t\n")
    done = agent.send()

    assert (failed.returncode, sent, done.returncode) == (1, [], 0)
    assert "headers: cannot be read" in failed.stdout
    assert len(run_ids(collector)) == 1
    assert {one.headers["authorization"] for one in collector.taken} == {"Bearer s3cr3t"}


def test_only_configured_signals_are_sent(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector, logs=False)
    agent.send()
    numbers = [one.signal for one in collector.taken]
    no_outbox = not (agent.directory / "state/outbox").exists()
    agent.export_to(collector, logs=True, metrics=False)
    agent.send()

    assert no_outbox
    assert [*numbers, *[one.signal for one in collector.taken[1:]]] == ["metrics", "logs"]


def test_slow_collector_and_missing_directory_do_not_delay_events_for_the_endpoint(
    agent: ExportingAgent, endpoint: EndpointServer, authority: Authority, collector: OtelCollector
) -> None:
    to_endpoint(agent, endpoint, authority)
    agent.export_to(collector, timeout="4s")
    agent.configure_section("metrics", textfile=str(agent.directory / "missing/maestro.prom"))
    agent.record(1)
    collector.reply = Reply(raw=b"H" * 100, drip_s=0.2)
    database = endpoint.directory / "endpoint.db"
    started = time.monotonic()

    process = agent.start()
    while "outcome" not in {body["type"] for _, _, body in stored_events(database)}:
        assert time.monotonic() - started < 60
        time.sleep(0.05)
    waited = process.poll() is None
    out, _ = process.communicate(timeout=60)

    assert waited
    assert process.returncode == 1
    assert "endpoint: 3 messages delivered." in out
    assert "metrics: no answer within 4 seconds" in out
    assert "there is no directory" in out


def test_silent_endpoint_delays_no_other_exporter(agent: ExportingAgent, collector: OtelCollector) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        agent.configure(port=silent.getsockname()[1], timeout="3s")
        agent.export_to(collector)
        file = textfile(agent)
        ours = agent.record(1)

        done = agent.send()

    assert done.returncode == 1
    assert "no answer within 3 seconds" in done.stdout
    assert run_ids(collector) == [ours]
    assert file.exists()


def test_collector_queue_is_bounded_and_losses_are_reported(agent: ExportingAgent, authority: Authority) -> None:
    with collecting(authority, name="gone") as gone:
        agent.export_to(gone)
    place = agent.directory / "state/outbox/otlp"
    now = datetime.now(timezone.utc)
    with open_outbox(str(place), host_id(), QUEUE_LIMITS, now) as outbox, outbox.transaction() as tx:
        for number in range(10_000):
            tx.add("test-event", now, {"number": number, "text": "x" * 1000}, now)

    agent.send()
    status = agent.exporter_status("otlp")
    size = sum(entry.stat().st_size for entry in place.iterdir())
    with collecting(authority, name="back") as back:
        agent.export_to(back, timeout="1m")
        done = agent.send()

    found = records(back)
    (lost,) = [one["attributes"] for one in found if one["eventName"] == "maestro.messages_lost"]
    batches = [one for one in back.taken if one.signal == "logs"]
    assert size < 2 * QUEUE_LIMITS.size
    assert status["dropped"] + status["depth"] == 10_001
    assert lost["maestro.messages_lost.count"]["intValue"] == str(status["dropped"])
    assert done.returncode == 0
    assert len(found) == status["depth"] + 1
    assert all(len(one.document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]) <= 100 for one in batches)
    assert agent.exporter_status("otlp")["depth"] == 0


_LIMIT = timedelta(minutes=1)


class WatchedStore(Store):
    """A state directory that notes the time limit under which it is read, in seconds; 0: none, above 60: the test's."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory)
        self.limits: set[float] = set()

    def run_ids(self) -> list[str]:
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        self.limits.add(left if left <= _LIMIT.total_seconds() else 0.0)  # pytest has a timer, too, of many minutes
        return super().run_ids()


def test_time_limit_starts_with_the_first_request(agent: ExportingAgent, collector: OtelCollector) -> None:
    ours = agent.record(1)
    wanted = OtlpPolicy(
        url=collector.url, headers_file="", ca_file=str(collector.ca_file), timeout=_LIMIT, logs=True,
        metrics=True,
    )  # fmt: skip

    store = WatchedStore(str(agent.directory / "state"))
    done = ExporterRun(ExporterName.OTLP, OtlpExporter(wanted), store, str(agent.directory / "run")).run(wanted.timeout)

    assert done.why == ""
    assert store.limits
    assert not [limit for limit in store.limits if 0 < limit <= 60], "a busy disk takes nothing of the limit"
    events, points = (int(word) for word in done.summary.split() if word.isdecimal())
    assert events == 2
    assert points > 5
    assert run_ids(collector) == [ours]


def test_repeatedly_killed_exporter_loses_nothing(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector, metrics=False)
    runs = [agent.record(number) for number in range(150)]

    kills = 12 if bases.thorough() else 4
    for number in range(kills):
        process = agent.start()
        time.sleep(0.25 + 0.55 * number / (kills - 1))
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # it may have just ended
                os.kill(int(child), signal.SIGKILL)
        process.communicate()
    done = agent.send()

    keys = {one["attributes"]["log.record.uid"]["stringValue"] for one in records(collector)}
    assert done.returncode == 0
    assert sorted(set(run_ids(collector))) == sorted(runs)
    assert len(keys) == len({one["attributes"]["maestro.sequence"]["intValue"] for one in records(collector)}) == 151


def test_running_exporter_is_busy_and_the_others_run(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector)
    file = textfile(agent)
    now = datetime.now(timezone.utc)

    with open_outbox(str(agent.directory / "state/outbox/otlp"), host_id(), QUEUE_LIMITS, now):
        done = agent.send()

    assert done.returncode == 5
    assert "is sending reports" in done.stderr
    assert file.exists()
    assert collector.paths == []


def test_unusable_outbox_does_not_stop_metrics(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector)
    (agent.directory / "state/outbox").mkdir()
    (agent.directory / "state/outbox/otlp").write_text("in the way")

    done = agent.send()

    assert done.returncode == 1
    assert "outbox/otlp" in agent.exporter_status("otlp")["why"]
    assert [one.signal for one in collector.taken] == ["metrics"]


def test_unreadable_headers_file_does_not_hide_an_unusable_outbox(
    agent: ExportingAgent, collector: OtelCollector
) -> None:
    agent.export_to(collector, headers_file=str(agent.directory / "headers"))
    (agent.directory / "state/outbox").mkdir()
    (agent.directory / "state/outbox/otlp").write_text("in the way")

    agent.send()

    why = agent.exporter_status("otlp")["why"]
    assert "headers: cannot be read" in why
    assert "outbox/otlp" in why


def test_malformed_status_file_stops_no_exporter(agent: ExportingAgent, collector: OtelCollector) -> None:
    agent.export_to(collector)
    file = textfile(agent)
    for name in ("exporter-endpoint", "exporter-otlp", "exporter-prometheus"):
        wrong = '{"schema": "maestro.exporter/1", "export_state": 7, "exporters": []}'
        (agent.directory / f"run/{name}.json").write_text(wrong)

    done = agent.send()

    assert done.returncode == 0, done.stdout
    assert file.exists()
    assert agent.exporter_status("otlp")["why"] == agent.exporter_status("prometheus")["why"] == ""
