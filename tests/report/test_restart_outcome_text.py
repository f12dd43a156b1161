"""The text of `restart-services`: its first line is how many services were restarted."""

import contextlib
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from agent.core.restart.model import LeftWhy, RestartAction, RestartOutcome, RestartResult, RestartUnit, UnitResult
from agent.errors import RecordError
from agent.report.layout import display_width, lay_out
from agent.report.restart_outcome_text import restart_history_cells, restart_outcome_lines
from agent.report.restart_reasons import restart_sentence
from agent.state.documents.restart_outcome import restart_outcome_to_document
from agent.state.json_reader import JsonReader
from agent.state.restart_outcome_view import RestartOutcomeView

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
CRON = RestartUnit(unit="cron.service", action=RestartAction.RESTART, result=UnitResult.RESTARTED, duration_s=0.5)
SYSTEMD = RestartUnit(unit="init.scope", action=RestartAction.REEXEC, result=UnitResult.RESTARTED)
DBUS = RestartUnit(
    unit="dbus.service",
    action=RestartAction.NONE,
    result=UnitResult.LEFT,
    why=LeftWhy.NEEDS_REBOOT,
    values=("a restart disconnects every client of the bus",),
)
BROKEN = replace(CRON, unit="app.service", result=UnitResult.FAILED, detail="failed, exit-code")
PLANNED = replace(CRON, result=UnitResult.PLANNED, restarts_with=("app.service",))
DONE = RestartOutcome(
    id="20261129T120000Z",
    started_at=NOW,
    finished_at=NOW,
    result=RestartResult.RESTARTED,
    units=(CRON, SYSTEMD, DBUS),
    remaining=("cron.service", "dbus.service"),
    requested_by="alice",
)
EACH = {
    "planned": replace(DONE, id="", result=RestartResult.PLANNED, units=(PLANNED, DBUS)),
    "nothing-planned": replace(DONE, id="", result=RestartResult.PLANNED, units=(DBUS,)),
    "unchanged": replace(DONE, result=RestartResult.UNCHANGED, units=(), remaining=()),
    "only-left": replace(DONE, result=RestartResult.UNCHANGED, units=(DBUS,)),
    "restarted": DONE,
    "degraded": replace(DONE, result=RestartResult.DEGRADED, units=(CRON, BROKEN, DBUS)),
    "failed": replace(DONE, result=RestartResult.FAILED, units=(BROKEN,)),
    "interrupted": replace(DONE, result=RestartResult.INTERRUPTED, finished_at=None, remaining=None),
}
FIRST = {
    "planned": "1 service will be restarted; 1 unit left alone.",
    "nothing-planned": "Nothing to restart; 1 unit left alone.",
    "unchanged": "No service runs replaced files.",
    "only-left": "Nothing to restart; 1 unit left alone.",
    "restarted": "2 services restarted; 1 unit left alone.",
    "degraded": "1 service restarted, 1 FAILED; 1 unit left alone.",
    "failed": "No services restarted, 1 FAILED.",
    "interrupted": "Interrupted after 2 restarts; 1 unit left alone.",
}


def view(name: str) -> RestartOutcomeView:
    return RestartOutcomeView(JsonReader(restart_outcome_to_document(EACH[name], NOW, restart_sentence), name))


def text(name: str) -> str:
    return "\n".join(restart_outcome_lines(view(name)))


@pytest.mark.parametrize("name", EACH)
def test_the_first_line_is_how_many_were_restarted(name: str) -> None:
    assert text(name).splitlines()[0] == FIRST[name]
    assert "None" not in text(name)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(name: str, width: int) -> None:
    lines = restart_outcome_lines(view(name))

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


def test_each_unit_has_its_reason() -> None:
    shown = text("restarted")

    assert "systemd itself  re-executed" in shown
    assert "a restart disconnects every client of the bus; it needs a reboot" in shown
    assert "Remaining    cron.service still run replaced files" in shown


def test_a_failure_has_a_next_step() -> None:
    assert "`systemctl status app.service`" in text("degraded")
    assert "Next" not in text("unchanged")


@pytest.mark.parametrize("name", [one for one in EACH if "planned" not in one])
def test_the_line_of_the_history(name: str) -> None:
    cells = restart_history_cells(view(name))

    assert cells[0] == DONE.id
    assert cells[-1].startswith("restart-services: ")


def test_a_run_in_progress_is_followed() -> None:
    assert "`maestro-agent follow`" in restart_outcome_lines(view("interrupted"), running=True)[0]
    assert restart_history_cells(view("interrupted"), running=True)[-1] == "restart-services: running"


SPOILS: tuple[Any, ...] = (None, 0, True, "", "x", [], {}, [None], [{}], {"unit": 1})


@pytest.mark.parametrize("key", ["id", "result", "message", "started_at", "finished_at", "units", "remaining"])
@pytest.mark.parametrize("spoil", SPOILS, ids=repr)
def test_a_damaged_document_is_refused_or_shown(key: str, spoil: Any) -> None:
    document = {**restart_outcome_to_document(DONE, NOW, restart_sentence), key: spoil}

    with contextlib.suppress(RecordError):
        damaged = RestartOutcomeView(JsonReader(document, "run"))
        assert list(lay_out(restart_outcome_lines(damaged), 60))
        assert len(restart_history_cells(damaged)) == 5


@pytest.mark.parametrize("key", ["unit", "action", "result", "why", "detail", "restarts_with", "duration_s"])
@pytest.mark.parametrize("spoil", SPOILS, ids=repr)
def test_a_damaged_unit_is_refused_or_shown(key: str, spoil: Any) -> None:
    document = restart_outcome_to_document(DONE, NOW, restart_sentence)
    units: Any = document["units"]
    units[0][key] = spoil

    with contextlib.suppress(RecordError):
        assert restart_outcome_lines(RestartOutcomeView(JsonReader(document, "run")))
