"""The daemon writes the file itself: what the exporter's process would write and record, and no hang holds it up."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.core.policy.policy import Policy
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.in_daemon import Attempt, AttemptResult, run_at_once
from agent.daemon.textfile import TextfileInDaemon, create_in_daemon
from agent.host.process.spawn import AgentProcess
from agent.report.recent_status import RecentStatus
from agent.state.caching_store import CachingStore
from tests.core.given import policy
from tests.report.installation import CHECKOUT
from tests.report.sent import ExportingAgent
from tests.support.hanging import hanging_directory
from tests.support.logged import captured_log

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
REPORT_TIME = re.compile(r"(?m)^(maestro_report_timestamp_seconds) \d+$")


@pytest.fixture
def agent(tmp_path: Path) -> ExportingAgent:
    """Return an agent with this exporter alone, and a run on record."""
    made = ExportingAgent(directory=tmp_path)
    (tmp_path / "metrics").mkdir()
    made.configure()
    made.configure_section("metrics", textfile=str(tmp_path / "metrics/maestro.prom"))
    made.record(1)
    return made


def in_daemon(agent: ExportingAgent) -> TextfileInDaemon:
    return create_in_daemon(RecentStatus(CachingStore(str(agent.directory / "state")), str(agent.directory / "run")))


def policy_of(agent: ExportingAgent) -> Policy:
    given = policy()
    return replace(given, metrics=replace(given.metrics, textfile=str(agent.others["metrics"]["textfile"])))


def run(agent: ExportingAgent, *, is_abandoned: Callable[[], bool] = lambda: False) -> AttemptResult:
    return in_daemon(agent).run(policy_of(agent), is_abandoned)


def run_process(agent: ExportingAgent) -> None:
    """Run the exporter's process, as the daemon starts it."""
    options = ["--config", str(agent.directory / "config.toml"), "--state-dir", str(agent.directory / "state")]
    command = [
        "/usr/bin/python3",
        "-m",
        "agent",
        *options,
        "export-prometheus",
        "--run-dir",
        str(agent.directory / "run"),
    ]
    subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, timeout=120)


def status(agent: ExportingAgent) -> Any:
    """Return the status file without its times."""
    return json.loads(TIMES.sub("TIME", (agent.directory / "run/exporter-prometheus.json").read_text()))


def test_file_and_status_file_are_those_of_the_process(agent: ExportingAgent) -> None:
    file = agent.directory / "metrics/maestro.prom"
    found = []
    for export in (run, run_process):
        export(agent)
        found.append((REPORT_TIME.sub(r"\1 NOW", file.read_text()), file.stat().st_mode, status(agent)))
        file.unlink()

    assert found[0] == found[1]
    assert "maestro_last_run_result" in found[0][0]


def test_every_attempt_writes_the_file_with_the_time_of_its_report(agent: ExportingAgent) -> None:
    file = agent.directory / "metrics/maestro.prom"
    run(agent)
    os.utime(file, (0, 0))
    before = time.time()
    run(agent)

    assert file.stat().st_mtime >= before - 1
    assert int(re.findall(r"(?m)^maestro_report_timestamp_seconds (\d+)$", file.read_text())[0]) >= int(before)


def test_failure_is_recorded_as_by_the_process_and_logged_once(agent: ExportingAgent) -> None:
    agent.configure_section("metrics", textfile=str(agent.directory / "missing/maestro.prom"))
    with captured_log() as logged:
        done = [run(agent) for _ in range(2)]
    ours = status(agent)
    (agent.directory / "run/exporter-prometheus.json").unlink()
    run_process(agent)
    first = status(agent)
    run_process(agent)

    assert done == [AttemptResult.FAILED] * 2  # a process would fail, too
    assert [entry.event for entry in logged] == ["export.failed"]
    assert ours == status(agent)
    assert first["export_state"]["failures"] == 1
    assert ours["export_state"]["failures"] == 2
    assert ours["exporters"]["prometheus"]["failing_since"]


def test_file_is_written_again_after_a_failure(agent: ExportingAgent) -> None:
    directory = agent.directory / "metrics"
    directory.rename(agent.directory / "away")
    with captured_log() as logged:
        run(agent)
        (agent.directory / "away").rename(directory)
        run(agent)

    assert [entry.event for entry in logged] == ["export.failed", "export.done"]
    assert status(agent)["exporters"]["prometheus"]["failing_since"] is None


def test_abandoned_attempt_records_and_replaces_nothing(agent: ExportingAgent) -> None:
    file = agent.directory / "metrics/maestro.prom"
    file.write_text("of the process")

    run(agent, is_abandoned=lambda: True)

    assert not (agent.directory / "run/exporter-prometheus.json").exists()
    assert [entry.read_text() for entry in file.parent.iterdir()] == ["of the process"]


def test_attempt_that_a_process_has_overtaken_leaves_what_that_wrote(agent: ExportingAgent) -> None:
    files = [agent.directory / name for name in ("metrics/maestro.prom", "run/exporter-prometheus.json")]
    run(agent)
    written: list[list[int]] = []

    def process_ends_first() -> bool:
        if not written:
            run_process(agent)
            written.append([file.stat().st_mtime_ns for file in files])
        return False

    assert run(agent, is_abandoned=process_ends_first) is AttemptResult.DONE
    assert [[file.stat().st_mtime_ns for file in files]] == written


@pytest.mark.parametrize(("owner", "here"), [(0, True), (65534, False), (None, True)], ids=["root", "nobody", "none"])
def test_root_leaves_it_to_the_process_that_becomes_the_owner_of_the_outbox(
    agent: ExportingAgent, owner: int | None, *, here: bool
) -> None:
    if owner is not None:
        outbox = agent.directory / "state/outbox"
        outbox.mkdir()
        os.chown(outbox, owner, owner)

    assert in_daemon(agent).applies(policy_of(agent), unchanged=False) is here


class Process(AgentProcess):
    """A process of the exporter that ends at once."""

    def __init__(self) -> None:
        self.pid = -1

    def exit_code(self) -> int | None:
        return 0


def test_hanging_directory_holds_up_no_tick_and_the_process_takes_over(
    agent: ExportingAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []

    def start(arguments: Sequence[str]) -> AgentProcess:
        started.append(arguments)
        return Process()

    store = CachingStore(str(agent.directory / "state"))
    begun: list[Attempt] = []

    def begin(attempt: Attempt) -> None:
        begun.append(attempt)
        run_at_once(attempt)
        deadline = clock() + 60
        while not attempt.hangs:  # from its begin on its limit counts
            assert clock() < deadline
            time.sleep(0.001)

    supervisor = ExportSupervisor(None, store, str(agent.directory / "run"), start, begin=begin)
    given, clock, ahead_s = policy_of(agent), time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock() + ahead_s)
    busy, counts = [], []
    with hanging_directory(agent.directory / "metrics"):
        for minute in range(12):
            supervisor.tick(given, "machine", NOON + timedelta(minutes=minute), NOON)
            busy.append(not supervisor.idle)
            counts.append(len(started))
            ahead_s += 60
        hung = [one.over for one in begun]
    deadline = clock() + 60
    while not all(one.over for one in begun):
        assert clock() < deadline
        time.sleep(0.01)

    assert busy[0]
    assert counts[:2] == [0, 1]  # the thread first, then, once it hangs, the process, which can be killed
    assert counts[-1] >= 3
    assert hung.count(False) == 1
    assert not (agent.directory / "run/exporter-prometheus.json").exists()


def test_memory_stays_flat_over_days_of_files(agent: ExportingAgent) -> None:
    """After 1,000 files the process is as large as after 200."""
    program = f"""
import sys; sys.path.insert(0, {str(CHECKOUT)!r})
from pathlib import Path
from agent.config.load import load
from agent.daemon.in_daemon import AttemptResult
from agent.daemon.textfile import create_in_daemon
from agent.host.machine.os_release import read_distro
from agent.report.recent_status import RecentStatus
from agent.state.caching_store import CachingStore
def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
given = load(Path(sys.argv[1], "config.toml"), read_distro())[0]
recent = RecentStatus(CachingStore(sys.argv[1] + "/state"), sys.argv[1] + "/run")
exporter = create_in_daemon(recent)
for count in range(1001):
    recent.forget()
    assert exporter.run(given, lambda: False) is AttemptResult.DONE
    if count in (200, 1000):
        print(resident())
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program, str(agent.directory)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    before, after = map(int, done.stdout.split())

    assert after - before < 256 * 1024
