"""What a person reads before a reboot, and about one that is scheduled."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.docker.boot import BootFate
from agent.core.model.docker import RestartPolicy
from agent.core.reboot.model import RebootOutcome, RebootReason, RebootSchedule
from agent.report.layout import display_width, lay_out
from agent.report.reboot_plan_text import NO_CONTAINERS, reboot_plan_lines, schedule_lines
from agent.state.timestamps import format_human
from tests.core.docker.given_docker import container
from tests.report.given_reboot_outcome import BLOCKED, OPEN, SESSIONS, STARTED, WOULD, view

SCHEDULE = RebootSchedule(
    at=STARTED + timedelta(days=6),
    until=STARTED + timedelta(days=6, hours=2),
    created_at=STARTED,
    requested_by="alice",
    comment="kernel",
)


def text(outcome: RebootOutcome, containers: BootFate = NO_CONTAINERS) -> str:
    return "\n".join(reboot_plan_lines(view(outcome), containers))


def test_the_plan_shows_why_a_reboot_is_required_and_which_kernel_boots() -> None:
    shown = text(WOULD)

    assert "linux-image-6.1.0-28-amd64, since" in shown
    assert "6.1.0-27-amd64 runs, 6.1.0-28-amd64 boots" in shown
    assert "+ dpkg: open" in shown


@pytest.mark.parametrize(
    ("reason", "words"),
    [(None, "unknown"), (RebootReason(required=False), "no"), (RebootReason(required=True), "not named")],
    ids=["unseen", "not-required", "no-package"],
)
def test_the_plan_says_whether_a_reboot_is_required(reason: RebootReason | None, words: str) -> None:
    line = next(line for line in text(replace(WOULD, reason=reason)).splitlines() if line.startswith("Required"))

    assert line.endswith(words)


def test_a_closed_gate_is_shown_with_its_reason() -> None:
    assert f"- sessions           {SESSIONS.detail}, until" in text(BLOCKED)
    assert "+ dpkg: open" in text(BLOCKED)


def test_the_hooks_that_run_before_it_are_named() -> None:
    assert "10-drain, 20-failover" in "\n".join(reboot_plan_lines(view(WOULD), hooks=["10-drain", "20-failover"]))


def test_containers_that_do_not_come_back_are_named_with_their_policy() -> None:
    job = container("job", policy=RestartPolicy.NO)

    shown = text(WOULD, BootFate(again=(container("web"), container("db")), left=(job,)))

    assert "2 containers started again" in shown
    assert "NOT started again, by restart policy: job (no)" in shown


def test_a_machine_without_running_containers_shows_no_docker() -> None:
    assert "Docker" not in text(WOULD)


def test_where_no_container_comes_back_the_line_still_names_docker() -> None:
    shown = text(WOULD, BootFate(left=(container("job", policy=RestartPolicy.NO),)))

    assert any(line.startswith("Docker       NOT started") for line in shown.splitlines())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(width: int) -> None:
    engine = BootFate(left=tuple(container(f"worker-{n}", policy=RestartPolicy.NO) for n in range(30)))
    passed = replace(BLOCKED, gates=(OPEN, replace(SESSIONS, passed=True)))
    lines = [
        *reboot_plan_lines(view(BLOCKED), engine, ["10-drain"]),
        *reboot_plan_lines(view(passed), engine),
        *schedule_lines(SCHEDULE, STARTED, if_required=True),
    ]

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


@pytest.mark.parametrize(
    ("delay", "words"),
    [
        (timedelta(minutes=30), "in 30 min"),
        (timedelta(hours=47), "in 47 h"),
        (timedelta(days=6), "in 6 d"),
        (timedelta(days=6, hours=3), "in 6 d 3 h"),
    ],
    ids=str,
)
def test_a_scheduled_reboot_is_shown_with_how_far_ahead_it_is(delay: timedelta, words: str) -> None:
    first, *_ = schedule_lines(replace(SCHEDULE, at=STARTED + delay), STARTED, if_required=False)

    assert first.endswith(f"{words}.")
    assert "if one is required" not in first


def test_a_schedule_that_replaces_another_one_names_its_time() -> None:
    before = replace(SCHEDULE, at=STARTED + timedelta(days=1))

    _, second, *_ = schedule_lines(SCHEDULE, STARTED, if_required=False, replaced=before)

    assert format_human(before.at) in second
    assert len(schedule_lines(SCHEDULE, STARTED, if_required=False)) == 3


def test_a_reboot_that_waits_for_users_is_not_called_blocked() -> None:
    waits = replace(BLOCKED, blocked=replace(SESSIONS, until=STARTED + timedelta(minutes=10)))

    first = text(waits).splitlines()[0]

    assert format_human(STARTED + timedelta(minutes=10)) in first
    assert "blocked" not in first
