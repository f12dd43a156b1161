"""The text of a reboot: its first line is whether the machine was rebooted, and if not, why."""

from datetime import timedelta

import pytest

from agent.core.reboot.gates import RebootWhy
from agent.core.reboot.model import LockUse, RebootResult
from agent.report.layout import Tone, display_width, lay_out
from agent.report.reboot_outcome_text import (
    REASONS,
    duration,
    gate_reason,
    headline,
    reboot_history_cells,
    reboot_outcome_lines,
)
from tests.report.given_reboot_outcome import EACH, OPEN, PROBLEMS, REBOOTED, SESSIONS, Fields, view

DONE = {"rebooted", "rebooted-with-problems"}


def text(document: Fields, *, verbose: bool = False) -> str:
    return "\n".join(reboot_outcome_lines(view(document), verbose=verbose))


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
def test_the_first_line_of_each_result_says_whether_the_machine_was_rebooted(result: RebootResult) -> None:
    first = text(EACH[result.value]).splitlines()[0]

    assert first == headline(view(EACH[result.value]))
    assert first.startswith("Rebooted") is (result.value in DONE)
    assert "None" not in text(EACH[result.value], verbose=True)


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(result: RebootResult, width: int) -> None:
    lines = reboot_outcome_lines(view(EACH[result.value]), verbose=True)

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
    assert "lock release" not in text({**PROBLEMS, "lock": "none"})


def test_a_blocked_reboot_names_the_gate_its_reason_and_what_to_do() -> None:
    shown = text(EACH["blocked"])

    assert SESSIONS["detail"] in shown.splitlines()[0]
    assert "- sessions" in shown
    assert "--despite sessions" in shown
    assert "dpkg" not in shown
    assert "+ dpkg" in text(EACH["blocked"], verbose=True)


@pytest.mark.parametrize("why", RebootWhy, ids=lambda why: why.value)
def test_each_reason_has_a_sentence_and_a_remedy(why: RebootWhy) -> None:
    gate = {**SESSIONS, "why": why.value, "detail": ""}
    document = {**EACH["blocked"], "gates": [gate], "blocked": gate}

    assert REASONS[why.value] in text(document)
    assert "Next" in text(document)
    assert gate_reason(view(document).gates[0]) == REASONS[why.value]


def test_every_use_of_the_lock_but_none_is_shown() -> None:
    shown = {use.value: "Fleet lock" in text({**REBOOTED, "lock": use.value}) for use in LockUse}

    assert [use for use, seen in shown.items() if not seen] == ["none"]


@pytest.mark.parametrize("result", RebootResult, ids=lambda result: result.value)
def test_the_history_has_one_line_for_each(result: RebootResult) -> None:
    cells = reboot_history_cells(view(EACH[result.value]))

    assert cells[0] == REBOOTED["id"]
    assert cells[2] == "alice"
    assert cells[-1].startswith("reboot: ")
    assert ("down" in cells[-1]) is (result.value in DONE)


def test_a_running_reboot_is_shown_as_such() -> None:
    outcome = view(EACH["requested"])

    assert "`maestro-agent follow`" in reboot_outcome_lines(outcome, running=True)[0]
    assert reboot_history_cells(outcome, running=True)[-2:] == ("-", "reboot: running")


def test_the_schedule_is_shown_as_the_timer() -> None:
    document = {**REBOOTED, "requested_by": "schedule", "origin": "policy"}

    assert reboot_history_cells(view(document))[2] == "timer"
    assert "in the maintenance window" in text(document)
    assert "requested by" not in text(document)


def test_an_open_gate_without_detail_is_shown_as_open() -> None:
    assert "+ dpkg               open" in text({**REBOOTED, "gates": [OPEN]}, verbose=True)


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
