"""Every row of the registry of exporters names what exists, and every exporter follows the protocol."""

import importlib
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

import pytest

from agent.cli.report import worst
from agent.core.exporters import ExporterName
from agent.core.schedule.backoff import ResponseClass
from agent.core.schedule.exports import ExportState
from agent.errors import HostError
from agent.report.export_result import ExportResult
from agent.report.exporter import ExportContext, Exporter, QueueSettings
from agent.report.outbox.transaction import OutboxLimits
from agent.report.runner import ExporterRun
from agent.report.source import ReportSource
from agent.report.targets import enabled_targets, export_target
from agent.state.store import Store
from tests.core.given import policy
from tests.report.installation import CHECKOUT


@pytest.mark.parametrize("name", ExporterName)
def test_members_of_the_policy_exist_and_have_their_types(name: ExporterName) -> None:
    given = policy()
    target = export_target(given, name)

    assert isinstance(attrgetter(name.switch)(given), str)
    assert isinstance(target.interval, timedelta)
    assert isinstance(target.timeout, timedelta)
    assert target.settings is attrgetter(name.switch.partition(".")[0])(given)


@pytest.mark.parametrize("name", ExporterName)
def test_module_has_an_exporter(name: ExporterName) -> None:
    exporter: Exporter = importlib.import_module(name.module).create(policy())

    assert exporter.queue is None or isinstance(exporter.queue, QueueSettings)
    assert callable(exporter.run)


@pytest.mark.parametrize("name", ExporterName)
def test_exporter_is_off_by_default_and_on_by_its_switch(name: ExporterName) -> None:
    section, _, member = name.switch.partition(".")
    off = policy()
    on = replace(off, **{section: replace(getattr(off, section), **{member: "/srv/something"})})

    assert enabled_targets(off) == ()
    assert [one.exporter for one in enabled_targets(on)] == [name]


def test_daemon_and_command_line_load_no_exporter() -> None:
    """Nobody names an exporter's module but the registry, so that none can be loaded without being asked for."""
    program = (
        "import sys, agent.daemon.service, agent.cli.report; "
        f"print(*sorted({{one for one in sys.modules if one in {[name.module for name in ExporterName]!r}}}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 1], 1),
        ([5, 0], 5),
        ([5, 5], 5),
        ([1, 5], 1),
        ([78, 5, 0], 1),
        ([-9], 1),
        ([-9, 1], 1),
    ],
)
def test_worst_exit_code(codes: list[int], code: int) -> None:
    assert worst(codes) == code


class FakeExporter:
    """An exporter whose results are given."""

    def __init__(self, *results: ExportResult | HostError, queue: QueueSettings | None = None) -> None:
        self.results = list(results)
        self.contexts: list[ExportContext] = []
        self.queue = queue

    def run(self, context: ExportContext) -> ExportResult:
        self.contexts.append(context)
        result = self.results.pop(0)
        if isinstance(result, HostError):
            raise result
        return result


QUEUE = QueueSettings(
    directory="outbox/fake", limits=OutboxLimits(size=1_000_000, age=timedelta(days=1)), reach=timedelta(days=1)
)
LIMIT = timedelta(seconds=1)
FAILED = ExportResult(response_class=ResponseClass.RETRY, why="HTTP 503", fields={"points_refused": 3})
DONE = ExportResult(summary="2 events delivered")


def runner(directory: Path, exporter: Exporter) -> ExporterRun:
    for name in ("state", "run"):
        (directory / name).mkdir(exist_ok=True)
    return ExporterRun(ExporterName.OTLP, exporter, Store(str(directory / "state")), str(directory / "run"))


def status(directory: Path) -> ReportSource:
    return ReportSource(Store(str(directory / "state")), str(directory / "run"))


@pytest.mark.parametrize("queue", [None, QUEUE], ids=["without a queue", "with a queue"])
def test_runner_keeps_backoff_and_status_from_run_to_run(tmp_path: Path, queue: QueueSettings | None) -> None:
    exporter = FakeExporter(FAILED, FAILED, DONE, queue=queue)

    for failures in (1, 2):
        assert runner(tmp_path, exporter).run(LIMIT) is FAILED
        found = status(tmp_path).exporter_status(ExporterName.OTLP)
        assert (found.export_state.failures, found.entry["why"], found.entry["last_success_at"]) == (
            failures,
            "HTTP 503",
            None,
        )
        assert found.export_state.not_before is not None
        assert found.entry["failing_since"] is not None
    runner(tmp_path, exporter).run(LIMIT)

    found = status(tmp_path).exporter_status(ExporterName.OTLP)
    assert (found.export_state.failures, found.entry["why"], found.entry["failing_since"]) == (0, "", None)
    assert found.entry["depth"] == (1 if queue else 0)
    assert [context.last_attempt.get("points_refused") for context in exporter.contexts] == [None, 3, 3]
    assert [context.outbox is not None for context in exporter.contexts] == [queue is not None] * 3


def test_runner_repeats_a_run_without_the_outbox_where_that_fails(tmp_path: Path) -> None:
    alone = ExportResult(response_class=ResponseClass.OK, why="disk full", report_sent=True)
    exporter = FakeExporter(HostError("disk full"), alone, queue=QUEUE)

    result = runner(tmp_path, exporter).run(LIMIT)

    found = status(tmp_path).exporter_status(ExporterName.OTLP)
    assert result is alone
    assert [context.outbox_problem for context in exporter.contexts] == ["", "disk full"]
    assert exporter.contexts[1].outbox is None
    assert (found.entry["why"], found.entry["depth"]) == ("disk full", None)
    assert found.entry["last_success_at"] == found.entry["failing_since"]


def test_runner_delays_the_next_run_where_more_is_queued(tmp_path: Path) -> None:
    exporter = FakeExporter(replace(DONE, burst=(50, 100)), queue=QUEUE)

    runner(tmp_path, exporter).run(LIMIT)

    state: ExportState = status(tmp_path).exporter_status(ExporterName.OTLP).export_state
    assert state.last is not None
    assert state.not_before == state.last + timedelta(seconds=30)
