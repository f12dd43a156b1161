"""`explain docker`: the maintenance window as a gate, as of now and not as of the check."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from agent.core.model.engine_plan import EnginePlan, EngineWindow
from agent.report.engine_explanation import explain_engine
from agent.report.engine_text import engine_plan_lines
from agent.report.engine_window import window_now
from agent.report.status.engines import engine_reasons
from agent.state.engine_view import EngineView
from agent.state.json_reader import JsonReader
from tests.core.given import NOW
from tests.report.status.test_engines import plan_document
from tests.state.test_engine_plan_document import FULL

UTC = timezone.utc
OPENS = datetime(2026, 11, 28, 2, tzinfo=UTC)
WINDOW = EngineWindow(text="Sat 02:00-04:00", opens_at=OPENS, closes_at=OPENS + timedelta(hours=2))
PLAN = replace(FULL, window=WINDOW)


def view(plan: EnginePlan) -> EngineView:
    return EngineView(JsonReader(plan_document(plan), "plan"))


def gate(plan: EnginePlan, now: datetime) -> Any:
    engine = view(plan)
    gates: Any = explain_engine("docker", engine, now, window_now(engine, now, UTC))["gates"]
    return next((one for one in gates if one["gate"] == "window"), None)


@pytest.mark.parametrize(
    ("now", "verdict", "until"),
    [
        (OPENS - timedelta(days=1), "shut", "2026-11-28T02:00:00Z"),
        (OPENS, "open", None),
        (OPENS + timedelta(hours=1), "open", None),
        (OPENS + timedelta(hours=2), "shut", "2026-12-05T02:00:00Z"),
        (OPENS + timedelta(days=30), "shut", "2027-01-02T02:00:00Z"),
    ],
    ids=["before", "opens", "within", "closed", "a-month-later"],
)
def test_the_gate_is_that_of_now(now: datetime, verdict: str, until: str | None) -> None:
    found = gate(PLAN, now)

    assert (found["verdict"], found["until"]) == (verdict, until)
    assert ("outside-window" in found["reason"]) is (verdict == "shut")


def test_a_window_that_is_too_short_is_shut_without_an_end() -> None:
    found = gate(replace(PLAN, window=replace(WINDOW, text="Sat 02:00-02:10")), OPENS)

    assert (found["verdict"], found["until"]) == ("shut", None)


def test_without_a_window_or_without_work_there_is_no_such_gate() -> None:
    assert gate(replace(PLAN, window=None), OPENS) is None
    assert gate(replace(PLAN, packages=(), restart_needed=False, blocked=()), OPENS) is None


def test_another_version_is_opened_by_an_upgrade_unless_that_is_blocked() -> None:
    other = replace(PLAN, installed="20.10.24", wanted="26.1.5", candidate="26.1.5")
    explained: list[Any] = [
        explain_engine("docker", view(plan), NOW)["gates"] for plan in (other, replace(other, blocked=()))
    ]
    opens = [one["opens"] for gates in explained for one in gates if one["gate"] == "manifest"]

    assert opens == ["maestro-agent docker plan", "maestro-agent docker upgrade"]


def test_the_plan_shows_the_window() -> None:
    before = "\n".join(engine_plan_lines(view(PLAN)))
    within = "\n".join(engine_plan_lines(view(replace(PLAN, window=replace(WINDOW, opens_at=NOW)))))

    assert "outside-window, opens 2026-11-28 02:00 UTC" in before
    assert "open until 2026-11-28 04:00 UTC" in within


def test_the_status_names_the_window_unless_something_blocks() -> None:
    ready = replace(PLAN, blocked=())

    assert all("2026-11-28 02:00 UTC" in reason for reason in engine_reasons(view(ready)))
    assert not any("window" in reason for reason in engine_reasons(view(PLAN)))
    assert not any("window" in reason for reason in engine_reasons(view(replace(ready, window=None))))
