"""The text of an upgrade of Docker: its first line is what runs now."""

from dataclasses import replace

import pytest

from agent.core.model.engine_outcome import EngineOutcome, EngineResult, Rollback, forecast_of
from agent.core.model.engine_plan import Component
from agent.report.engine_outcome_text import MOST_CONTAINERS, engine_history_cells, engine_outcome_lines, headline
from agent.report.layout import Tone, display_width, lay_out
from tests.report import given_engine_outcome as given
from tests.report.given_engine_outcome import view
from tests.state.test_engine_plan_document import FULL as PLAN

EACH = {
    EngineResult.UPGRADED: given.UPGRADED,
    EngineResult.RESTARTED: given.RESTARTED,
    EngineResult.ROLLED_BACK: given.ROLLED_BACK,
    EngineResult.FAILED_NEEDS_ATTENTION: given.FAILED,
    EngineResult.BLOCKED: given.BLOCKED,
    EngineResult.UNCHANGED: given.UNCHANGED,
    EngineResult.INTERRUPTED: given.INTERRUPTED,
}


def text(outcome: EngineOutcome, *, verbose: bool = False) -> str:
    return "\n".join(engine_outcome_lines(view(outcome), verbose=verbose))


@pytest.mark.parametrize("result", EngineResult, ids=lambda result: result.value)
def test_the_first_line_of_each_result_names_the_engine_and_its_version(result: EngineResult) -> None:
    outcome = EACH[result]

    first = text(outcome).splitlines()[0]

    assert first == headline(view(outcome))
    assert first.startswith("Docker ")
    assert (outcome.running or outcome.before or "") in first
    assert "unknown" not in first
    assert "None" not in text(outcome)


@pytest.mark.parametrize("result", EngineResult, ids=lambda result: result.value)
@pytest.mark.parametrize("component", Component, ids=lambda component: component.value)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(result: EngineResult, component: Component, width: int) -> None:
    lines = engine_outcome_lines(view(replace(EACH[result], component=component)))

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


def test_an_engine_that_does_not_run_is_not_called_running() -> None:
    assert "Docker runs" not in headline(view(given.FAILED))
    assert "NOT" in headline(view(given.FAILED))
    assert "NOT" not in headline(view(given.STOPPED))
    assert engine_outcome_lines(view(given.FAILED))[0].tone is Tone.FAILED  # type: ignore[attr-defined]


def test_a_rollback_ahead_of_the_restart_had_no_downtime() -> None:
    undisturbed = replace(given.ROLLED_BACK, engine_down_s=0.0, containers_down=())

    assert "none (forecast 0.5-7.2 s)" in text(undisturbed)
    assert "no downtime" in engine_history_cells(view(undisturbed))[-1]


def test_without_docker_nothing_is_said_of_an_engine() -> None:
    none = replace(given.UNCHANGED, before=None, target=None, running=None, message="Docker is not installed.")

    assert text(none).count("not installed") == 1
    assert "stopped" not in text(none)


def test_the_reason_of_a_rollback_is_shown_once() -> None:
    reason = given.ROLLED_BACK.rollback.reason if given.ROLLED_BACK.rollback else "?"

    assert text(replace(given.ROLLED_BACK, message=reason)).count(reason) == 1


def test_each_containers_downtime_stands_beside_its_forecast() -> None:
    rows = {line.split()[-1]: line for line in text(given.UPGRADED).splitlines() if line.startswith("  ")}

    assert "2.2 s" in rows["web"]
    assert "0.2-7.2 s" in rows["web"]
    late = next(line for line in text(given.UPGRADED).splitlines() if " db " in line)
    assert "longer than forecast" in late


def test_an_announced_removal_is_no_loss() -> None:
    announced, lost = text(given.RESTARTED), text(replace(given.RESTARTED, forecast=None))

    assert ("once" in announced, "LOST" in announced) == (True, False)
    assert "LOST" in lost
    assert "lost" in engine_history_cells(view(replace(given.RESTARTED, forecast=None)))[-1]


def test_many_containers_are_cut_unless_all_are_asked_for() -> None:
    down = tuple(replace(given.UPGRADED.containers_down[0], name=f"c{number:02}") for number in range(30))
    many = replace(given.UPGRADED, containers_down=down)

    shown = [line for line in text(many).splitlines() if line.endswith(tuple(one.name for one in down))]
    every = [line for line in text(many, verbose=True).splitlines() if line.endswith(tuple(one.name for one in down))]

    assert (len(shown), len(every)) == (MOST_CONTAINERS, 30)


def test_a_run_in_progress_claims_nothing() -> None:
    lines = engine_outcome_lines(view(given.INTERRUPTED), running=True)

    assert len(lines) == 1
    assert "follow" in lines[0]


def test_an_interruption_that_has_its_end_leaves_nothing_to_finish() -> None:
    ended = replace(given.INTERRUPTED, finished_at=given.INTERRUPTED.started_at, running="20.10.24")
    waiting = replace(ended, rollback=Rollback(done=False, reason="the rollback waits"))

    assert headline(view(ended)).startswith("Docker runs 20.10.24")
    assert "`maestro-agent check`" not in text(ended)
    assert "`maestro-agent check`" in text(waiting)


def test_the_history_has_one_line_with_both_versions() -> None:
    cells = engine_history_cells(view(given.UPGRADED))

    assert cells[0] == given.UPGRADED.id
    assert "20.10.24 -> 26.1.5" in cells[-1]
    assert "2.6 s" in cells[-1]


def test_a_plan_becomes_the_forecast_of_its_outcome() -> None:
    forecast = forecast_of(PLAN)

    assert forecast is not None
    assert forecast.engine_s == (1.5, 14)
    assert [(one.name, one.low_s, one.high_s) for one in forecast.containers] == [("web", 1, 14.5)]
    assert forecast.removes == ("once",)
    assert forecast_of(replace(PLAN, restart_needed=False)) is None
