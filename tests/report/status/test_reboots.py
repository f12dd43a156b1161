"""Reboots in `status`: the last one, the scheduled one, and what a reboot waits for."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import RebootOrigin
from agent.core.reboot.model import (
    BootIdentity,
    RebootCourse,
    RebootOutcome,
    RebootPhase,
    RebootProblem,
    RebootResult,
    RebootSchedule,
    RebootTrouble,
)
from agent.core.schemas import Document
from agent.report.layout import display_width, lay_out
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.report.status.needs import Need, needs
from agent.report.status.observed import DaemonView, RebootDocuments
from agent.report.status.reboots import Reboots
from agent.state.json_reader import JsonReader
from agent.state.reboot_record import RebootRecord
from agent.state.store import Store
from agent.state.views import RebootView
from tests.report.given_reboot_outcome import BLOCKED, EACH, PROBLEMS, REBOOTED, SESSIONS, STARTED

NOW = STARTED + timedelta(minutes=10)
SCHEDULE = RebootSchedule(
    at=STARTED + timedelta(days=6),
    until=STARTED + timedelta(days=6, hours=2),
    created_at=STARTED,
    requested_by="alice",
    options=frozenset({JobOption.IF_REQUIRED}),
    comment="kernel",
)
WAITING = RebootCourse(
    run_id="20261129T020000Z",
    origin=RebootOrigin.SCHEDULE,
    phase=RebootPhase.WAITING,
    entered_at=STARTED,
    boot=BootIdentity(boot_id="b", soft_reboots=0),
    blocked=SESSIONS,
    retry_at=NOW + timedelta(minutes=2),
)
DUE = replace(SCHEDULE, at=STARTED, until=STARTED + timedelta(hours=2))
IN_WINDOW = replace(WAITING, origin=RebootOrigin.POLICY)
MINUTE = timedelta(minutes=1)
NEED_PERSON = {RebootResult.REBOOTED_WITH_PROBLEMS, RebootResult.NOT_REBOOTED, RebootResult.FAILED}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def status_of(store: Store, now: datetime = NOW) -> Status:
    return build_status(collect_status(store, run_dir=store.directory), now)


def after(store: Store, outcome: RebootOutcome, now: datetime = NOW) -> Status:
    RebootRecord(store).save_outcome(outcome, NOW)
    return status_of(store, now)


def text(status: Status) -> str:
    return "\n".join(status_lines(status))


@pytest.mark.parametrize("result", EACH, ids=lambda result: result.value)
def test_only_a_reboot_that_failed_or_left_problems_needs_a_person(store: Store, result: RebootResult) -> None:
    status = after(store, EACH[result])

    assert bool(status.reboots.reasons) is (result in NEED_PERSON)
    assert ("reboot-failed" in {need.code for need in needs(status)}) is (result in NEED_PERSON)
    assert set(status.reboots.reasons) <= set(status.attention)


def test_a_reboot_that_did_not_happen_needs_a_person_if_a_hook_failed_after_it(store: Store) -> None:
    status = after(store, replace(BLOCKED, problems=PROBLEMS.problems[:1]))

    assert "reboot-failed" in {need.code for need in needs(status)}


def test_the_same_hook_that_fails_after_the_next_try_is_the_same_need_and_another_one_is_not(store: Store) -> None:
    def need(run_id: str, detail: str) -> Need:
        problem = RebootProblem(code=RebootTrouble.HOOK_FAILED, detail=detail)
        status = after(store, replace(BLOCKED, id=run_id, problems=(problem,)))
        return next(one for one in needs(status) if one.code == "reboot-failed")

    first, again, other = (
        need("1", "10-drain: exit code 1"),
        need("2", "10-drain: exit code 1"),
        need("3", "20-pool: x"),
    )

    assert first.text != again.text
    assert first.key == again.key
    assert other.key != again.key


def test_a_second_reboot_that_fails_is_another_need(store: Store) -> None:
    first, second = (needs(after(store, replace(PROBLEMS, id=name)))[-1] for name in ("1", "2"))

    assert (first.code, second.code) == ("reboot-failed", "reboot-failed")
    assert first.key != second.key


def test_it_is_no_reason_for_attention_after_a_week(store: Store) -> None:
    assert after(store, PROBLEMS, NOW + timedelta(days=6)).reboots.reasons
    assert not after(store, PROBLEMS, NOW + timedelta(days=8)).reboots.reasons


@pytest.mark.parametrize(
    ("retry_in", "reason"), [(MINUTE, True), (None, False)], ids=["each-few-minutes", "in-the-next-opening"]
)
def test_a_hook_that_fails_after_each_try_is_a_reason_as_long_as_it_does(
    store: Store, retry_in: timedelta | None, *, reason: bool
) -> None:
    record, later = RebootRecord(store), STARTED + timedelta(days=9)
    record.save_outcome(replace(BLOCKED, origin=RebootOrigin.POLICY, problems=PROBLEMS.problems[:1]), NOW)
    retry_at = later + retry_in if retry_in else None
    record.save_course(replace(IN_WINDOW, entered_at=later, retry_at=retry_at), later)
    reboots = status_of(store, later).reboots
    reboots.next_at = retry_at or later + timedelta(days=5)

    assert reboots.waiting is not None
    assert bool(reboots.reasons) is reason


def test_a_scheduled_reboot_that_was_given_up_needs_a_person(store: Store) -> None:
    given_up = replace(BLOCKED, origin=RebootOrigin.SCHEDULE)

    assert after(store, given_up).reboots.reasons
    RebootRecord(store).save_course(WAITING, NOW)
    assert not status_of(store).reboots.reasons


def test_the_last_reboot_is_shown_with_its_downtime(store: Store) -> None:
    assert "done, down for 42 s" in text(after(store, REBOOTED))


def test_the_scheduled_reboot_is_shown_with_who_asked_and_why(store: Store) -> None:
    RebootRecord(store).save_schedule(SCHEDULE, NOW)

    assert ", if required; requested by alice: kernel" in text(status_of(store))


def test_what_a_reboot_waits_for_is_shown_with_the_next_try(store: Store) -> None:
    record = RebootRecord(store)
    record.save_schedule(DUE, NOW)
    record.save_course(WAITING, NOW)

    status = status_of(store)

    assert f"{SESSIONS.detail}; next try " in text(status)
    assert status.reboots.document["waiting"] == {"gate": "sessions", "why": "sessions", "detail": SESSIONS.detail}


@pytest.mark.parametrize(
    ("course", "schedule", "next_at", "waits"),
    [
        pytest.param(WAITING, DUE, None, True, id="by-schedule"),
        pytest.param(WAITING, None, None, False, id="cancelled-since"),
        pytest.param(WAITING, replace(DUE, created_at=NOW), None, False, id="scheduled-again"),
        pytest.param(replace(WAITING, entered_at=NOW + MINUTE), DUE, None, False, id="clock-set-back"),
        pytest.param(IN_WINDOW, None, NOW + 3 * MINUTE, True, id="in-the-window"),
        pytest.param(IN_WINDOW, None, None, True, id="no-daemon"),
        pytest.param(IN_WINDOW, DUE, NOW, False, id="a-schedule-goes-first"),
        pytest.param(IN_WINDOW, None, NOW + timedelta(days=7), False, id="the-window-has-closed"),
        pytest.param(replace(IN_WINDOW, retry_at=NOW - 15 * MINUTE), None, None, True, id="overdue"),
        pytest.param(replace(IN_WINDOW, retry_at=NOW - 16 * MINUTE), None, None, False, id="not-tried-any-more"),
        pytest.param(replace(IN_WINDOW, retry_at=None), None, NOW + timedelta(days=7), True, id="a-hook-failed"),
        pytest.param(replace(IN_WINDOW, retry_at=None), None, None, False, id="the-policy-is-never-since"),
    ],
)
def test_only_the_gate_of_the_next_try_is_shown(
    store: Store, course: RebootCourse, schedule: RebootSchedule | None, next_at: datetime | None, *, waits: bool
) -> None:
    record = RebootRecord(store)
    record.save_course(course, NOW)
    if schedule is not None:
        record.save_schedule(schedule, NOW)
    reboots = status_of(store).reboots
    reboots.next_at = next_at

    assert bool(reboots.document["waiting"]) is waits
    assert ("Reboot waits" in "".join(map(str, reboots.lines(17)))) is waits
    assert reboots.by_itself is (not waits and (schedule is not None or next_at is not None))


def test_without_a_reboot_on_record_status_is_as_before(store: Store) -> None:
    status = status_of(store)

    assert status_document(status)["reboots"] == dict.fromkeys(("last", "scheduled", "waiting", "next_at"))
    assert "Last reboot" not in text(status)


@pytest.mark.parametrize("name", ["reboot-outcome", "reboot-schedule", "reboot"])
def test_a_damaged_document_is_unknown_and_a_course_stays(store: Store, name: str) -> None:
    path = Path(store.path(name))
    path.write_text("{")

    status = status_of(store)

    assert any(name in reason for reason in status.unknown)
    assert path.exists() is (name == "reboot")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_screen_fits_its_terminal(store: Store, width: int) -> None:
    record = RebootRecord(store)
    record.save_schedule(SCHEDULE, NOW)
    record.save_course(WAITING, NOW)
    lines = list(after(store, PROBLEMS).reboots.lines(17))

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


@pytest.mark.parametrize(
    ("schedule", "waiting", "planned", "needed"),
    [
        (False, False, False, True),
        (True, False, False, False),
        (False, False, True, False),
        (True, True, True, True),
        (False, True, True, True),
    ],
)
def test_a_required_reboot_needs_nobody_if_the_daemon_carries_it_out(
    store: Store, *, schedule: bool, waiting: bool, planned: bool, needed: bool
) -> None:
    record = RebootRecord(store)
    if schedule:
        record.save_schedule(SCHEDULE, NOW)
    if waiting:
        record.save_course(WAITING if schedule else IN_WINDOW, NOW)
    status = status_of(store)
    status.reboot = RebootView(["dbus"], STARTED, required=True)
    status.reboots.next_at = NOW if planned else None

    assert ("reboot" in {need.code for need in needs(status)}) is needed


def test_a_reboot_in_the_window_is_shown_with_its_time() -> None:
    shown = Reboots(RebootDocuments(), NOW, SCHEDULE.at)

    assert "in the maintenance window" in "".join(shown.lines(17))
    assert shown.document["next_at"] == "2026-12-05T02:00:00Z"


def test_when_the_daemon_has_the_machine_rebooted_is_read_from_its_status() -> None:
    names = dict.fromkeys(("version", "started_at", "doing"))
    document: Document = {
        **names,
        "seen_at": "2026-11-29T02:10:00Z",
        "problems": [],
        "next": {"reboot": "2026-12-05T02:00:00Z"},
    }

    assert DaemonView(1, JsonReader(document, "daemon")).reboot_at == SCHEDULE.at
