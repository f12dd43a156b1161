"""The text of a reboot: its first line is whether the machine was rebooted, and if not, why."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.reboot.gates import RebootOrigin, RebootWhy
from agent.core.reboot.model import LockUse, RebootOutcome, RebootResult
from agent.report.layout import Tone, display_width, lay_out
from agent.report.reboot_outcome_text import (
    REASONS,
    duration,
    gate_reason,
    headline,
    reboot_history_cells,
    reboot_outcome_lines,
)
from tests.report.given_reboot_outcome import BLOCKED, EACH, OPEN, PROBLEMS, REBOOTED, SESSIONS, view

DONE = {RebootResult.REBOOTED, RebootResult.REBOOTED_WITH_PROBLEMS}


def text(outcome: RebootOutcome, *, verbose: bool = False) -> str:
    return "\n".join(reboot_outcome_lines(view(outcome), verbose=verbose))


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
def test_the_first_line_of_each_result_says_whether_the_machine_was_rebooted(result: RebootResult) -> None:
    first = text(EACH[result]).splitlines()[0]

    assert first == headline(view(EACH[result]))
    assert first.startswith("Rebooted") is (result in DONE)
    assert "None" not in text(EACH[result], verbose=True)


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(result: RebootResult, width: int) -> None:
    lines = reboot_outcome_lines(view(EACH[result]), verbose=True)

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


def test_a_good_reboot_shows_downtime_and_kernel_and_no_next_step() -> None:
    shown = text(REBOOTED)

    assert "down for 42 s" in shown
    assert "6.1.0-28-amd64 runs (was 6.1.0-27-amd64)" in shown
    assert "Next" not in shown
    assert reboot_outcome_lines(view(REBOOTED))[0].tone is Tone.GOOD  # type: ignore[attr-defined]


def test_problems_are_listed_with_the_command_that_releases_the_lock() -> None:
    shown = text(PROBLEMS)

    assert "[old-kernel]" in shown
    assert "[unit-failed]" in shown
    assert "`maestro-agent lock release`" in shown
    assert "lock release" not in text(replace(PROBLEMS, lock=LockUse.NONE))


def test_a_blocked_reboot_names_the_gate_its_reason_and_what_to_do() -> None:
    shown = text(BLOCKED)

    assert SESSIONS.detail in shown.splitlines()[0]
    assert "- sessions" in shown
    assert "--despite sessions" in shown
    assert "dpkg" not in shown
    assert "+ dpkg" in text(BLOCKED, verbose=True)


@pytest.mark.parametrize("why", RebootWhy, ids=lambda why: why.value)
def test_each_reason_has_a_sentence_and_a_remedy(why: RebootWhy) -> None:
    gate = replace(SESSIONS, why=why, detail="")
    outcome = replace(BLOCKED, gates=(gate,), blocked=gate)

    assert REASONS[why.value] in text(outcome)
    assert "Next" in text(outcome)
    assert gate_reason(view(outcome).gates[0]) == REASONS[why.value]


def test_a_gate_that_was_passed_is_shown_with_every_result() -> None:
    passed = replace(SESSIONS, passed=True)
    outcome = replace(REBOOTED, gates=(OPEN, passed), despite=(passed.gate,))

    assert "! sessions" in text(outcome)
    assert "- sessions" not in text(outcome, verbose=True)
    assert any(line.split() == ["Despite", "sessions"] for line in text(outcome).splitlines())


def test_every_use_of_the_lock_but_none_is_shown() -> None:
    shown = {use: "Fleet lock" in text(replace(REBOOTED, lock=use)) for use in LockUse}

    assert [use for use, seen in shown.items() if not seen] == [LockUse.NONE]


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
def test_the_history_has_one_line_for_each(result: RebootResult) -> None:
    cells = reboot_history_cells(view(EACH[result]))

    assert cells[0] == REBOOTED.id
    assert cells[2] == "alice"
    assert cells[-1].startswith("reboot: ")
    assert ("down" in cells[-1]) is (result in DONE)


def test_a_running_reboot_is_shown_as_such() -> None:
    outcome = view(EACH[RebootResult.REQUESTED])

    assert "`maestro-agent follow`" in reboot_outcome_lines(outcome, running=True)[0]
    assert reboot_history_cells(outcome, running=True)[-2:] == ("-", "reboot: running")


def test_a_reboot_by_the_configuration_is_shown_as_the_timers() -> None:
    outcome = replace(REBOOTED, requested_by="", origin=RebootOrigin.POLICY)

    assert reboot_history_cells(view(outcome))[2] == "timer"
    assert "in the maintenance window" in text(outcome)
    assert "requested by" not in text(outcome)


def test_an_open_gate_without_detail_is_shown_as_open() -> None:
    assert "+ dpkg               open" in text(REBOOTED, verbose=True)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=0), "0 s"),
        (timedelta(seconds=59.4), "59 s"),
        (timedelta(seconds=59.9), "1 min"),
        (timedelta(seconds=185), "3 min 5 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
    ],
    ids=str,
)
def test_a_duration_is_short(length: timedelta, words: str) -> None:
    assert duration(length.total_seconds()) == words
