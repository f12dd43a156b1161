"""The documents of a reboot are read as they were written."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import (
    BootIdentity,
    LockUse,
    RebootCourse,
    RebootOutcome,
    RebootPhase,
    RebootProblem,
    RebootReason,
    RebootResult,
    RebootSchedule,
    RebootTrouble,
)
from agent.core.windows import Opening
from agent.errors import RecordError
from agent.state.reboot_record import RebootRecord
from agent.state.store import REBOOT, SKIPPED_OPENING, Store

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
BOOT = BootIdentity(boot_id="1c09ca98-649c-4c7a-bc77-9cd04c96812e", soft_reboots=1)
CLOSED = GateState(
    gate=RebootGate.SESSIONS,
    verdict=Verdict.CLOSED,
    why=RebootWhy.SESSIONS,
    detail="logged in: bob",
    until=NOW + timedelta(minutes=10),
    retry=True,
)
OUTCOME = RebootOutcome(
    id="20261129T020000Z",
    started_at=NOW,
    finished_at=NOW + timedelta(minutes=2),
    result=RebootResult.REBOOTED_WITH_PROBLEMS,
    origin=RebootOrigin.SCHEDULE,
    requested_by="alice",
    if_required=True,
    despite=(RebootGate.LAST_RUN,),
    reason=RebootReason(required=True, packages=("linux-image-6.12",), since=NOW - timedelta(days=1)),
    gates=(replace(CLOSED, passed=True), GateState(gate=RebootGate.DPKG, verdict=Verdict.OPEN)),
    blocked=CLOSED,
    boot_before=BOOT,
    boot_after=replace(BOOT, soft_reboots=0, boot_id="2"),
    kernel_before="6.1",
    kernel_expected="6.12",
    kernel_after="6.1",
    fired_at=NOW,
    back_at=NOW + timedelta(seconds=71),
    problems=(RebootProblem(code=RebootTrouble.OLD_KERNEL, detail="6.1 runs"),),
    lock=LockUse.KEPT,
    message="kept",
)
COURSE = RebootCourse(
    run_id=OUTCOME.id,
    origin=RebootOrigin.POLICY,
    phase=RebootPhase.WAITING,
    entered_at=NOW,
    boot=BOOT,
    hooked=True,
    locked=True,
    failed_units=("cron.service",),
    blocked=CLOSED,
    warned_at=NOW,
    retry_at=NOW + timedelta(minutes=2),
    shutdown_at=NOW + timedelta(minutes=3),
)
SCHEDULE = RebootSchedule(
    at=NOW,
    until=NOW + timedelta(hours=2),
    created_at=NOW - timedelta(hours=8),
    requested_by="alice",
    options=frozenset({JobOption.IF_REQUIRED, JobOption.DESPITE_LAST_RUN}),
    comment="kernel",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(OUTCOME, id="full"),
        pytest.param(
            RebootOutcome(
                id="1", started_at=NOW, finished_at=None, result=RebootResult.REQUESTED, origin=RebootOrigin.REQUEST
            ),
            id="empty",
        ),
    ],
)
def test_an_outcome_is_in_the_history_and_is_the_last_one(store: Store, outcome: RebootOutcome) -> None:
    record = RebootRecord(store)
    record.save_outcome(outcome, NOW)

    assert (record.outcome(outcome.id), record.last_outcome()) == (outcome, outcome)
    assert store.run_ids() == [outcome.id]


def test_the_outcome_has_the_downtime_and_whether_the_machine_booted(store: Store) -> None:
    RebootRecord(store).save_outcome(OUTCOME, NOW)
    document = json.loads(Path(store.path("reboot-outcome")).read_text())

    assert (document["downtime_s"], document["rebooted"]) == (71.0, True)


@pytest.mark.parametrize(
    "course", [pytest.param(COURSE, id="full"), pytest.param(replace(COURSE, failed_units=None, blocked=None), id="x")]
)
def test_a_course_is_kept_until_it_has_ended(store: Store, course: RebootCourse) -> None:
    record = RebootRecord(store)
    assert (record.has_course(), record.load_course()) == (False, None)
    record.save_course(course, NOW)
    assert (record.has_course(), record.load_course()) == (True, course)
    record.end_course()
    assert not record.has_course()


def test_a_schedule_is_kept_until_it_has_ended(store: Store) -> None:
    record = RebootRecord(store)
    record.save_schedule(SCHEDULE, NOW)
    assert record.load_schedule() == SCHEDULE
    record.end_schedule()
    assert record.load_schedule() is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"at": "2026-11-28T17:59:59Z"}, id="due-before-it-was-made"),
        pytest.param({"until": "2026-11-29T01:59:59Z"}, id="over-before-it-is-due"),
        pytest.param({"options": ["dry-run"]}, id="option-of-another-job"),
        pytest.param({"options": ["force"]}, id="unknown-option"),
    ],
)
def test_a_schedule_that_the_agent_never_writes_is_damaged(store: Store, damage: dict[str, object]) -> None:
    record = RebootRecord(store)
    record.save_schedule(SCHEDULE, NOW)
    path = Path(store.path("reboot-schedule"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))

    with pytest.raises(RecordError):
        record.load_schedule()


def test_a_damaged_course_stays_because_it_may_name_a_lock(store: Store) -> None:
    Path(store.path(REBOOT)).write_text('{"schema": "maestro.reboot/1", "phase": "sideways"}')
    for _ in range(2):
        with pytest.raises(RecordError):
            RebootRecord(store).load_course()
    RebootRecord(store).set_course_aside()
    assert not RebootRecord(store).has_course()


def test_the_last_opening_that_is_skipped_is_on_record_and_a_damaged_one_skips_none(store: Store) -> None:
    record = RebootRecord(store)
    assert record.skipped_opening() is None
    for hour in range(2):
        opening = Opening(start=NOW + timedelta(hours=hour), end=NOW + timedelta(hours=hour + 1))
        record.skip_opening(opening, NOW)
        assert record.skipped_opening() == opening
    for damage in ("{", '{"schema": "maestro.skipped-opening/1", "start": "soon"}'):
        Path(store.path(SKIPPED_OPENING)).write_text(damage)
        assert record.skipped_opening() is None


def test_with_a_clock_that_was_set_back_meanwhile_the_downtime_is_unknown() -> None:
    assert OUTCOME.downtime_s == 71
    assert replace(OUTCOME, back_at=NOW - timedelta(seconds=1)).downtime_s is None
