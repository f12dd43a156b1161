"""When the daemon upgrades Docker in its window, from a real record."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.job_kinds import JobKind
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_plan import EnginePlan
from agent.core.schedule.slots import JobAttempts
from agent.report.engine_reasons import block_sentence
from agent.state.record import Record
from agent.state.store import Store
from agent.worker.window_jobs import may_upgrade, window_runs
from tests.core import given
from tests.report.given_engine_outcome import UPGRADED
from tests.report.status.test_engines import plan_document
from tests.state.test_engine_plan_document import FULL

UTC = timezone.utc
OPENS = datetime(2026, 11, 28, 2, tzinfo=UTC)
READY = replace(FULL, blocked=())
POLICY = replace(given.policy(), docker=replace(given.policy().docker, window="Sat 02:00-04:00"))


def store_with(directory: Path, plan: EnginePlan | None) -> Store:
    store = Store(str(directory))
    engines = {"docker": plan_document(plan) if plan else None, "weave": None}
    Record(store).save_plan(given.plan(), given.NOW, fresh_until=given.NOW, scan=given.WATCHED, engines=engines)
    return store


def runs(store: Store, now: datetime = OPENS, last: datetime | None = None) -> dict[JobKind, datetime]:
    attempts = {JobKind.DOCKER_UPGRADE: JobAttempts(last=last)}
    return window_runs(POLICY, store, attempts, now, UTC)


def test_an_upgrade_is_due_when_the_window_opens(tmp_path: Path) -> None:
    assert runs(store_with(tmp_path, READY)) == {JobKind.DOCKER_UPGRADE: OPENS}


def test_without_a_window_nothing_is_due_and_nothing_is_read(tmp_path: Path) -> None:
    assert window_runs(given.policy(), Store(str(tmp_path / "none")), {}, OPENS, UTC) == {}


@pytest.mark.parametrize(
    "plan",
    [None, FULL, replace(READY, packages=(), restart_needed=False)],
    ids=["not-installed", "blocked", "nothing-to-do"],
)
def test_nothing_starts_without_work_or_where_something_blocks(tmp_path: Path, plan: EnginePlan | None) -> None:
    assert runs(store_with(tmp_path, plan)) == {}


def test_before_the_first_check_nothing_starts(tmp_path: Path) -> None:
    assert runs(Store(str(tmp_path))) == {}


def test_one_opening_has_one_try_by_the_attempt_or_by_the_outcome(tmp_path: Path) -> None:
    store, later = store_with(tmp_path, READY), OPENS + timedelta(minutes=30)

    assert runs(store, later, last=OPENS + timedelta(minutes=2)) == {JobKind.DOCKER_UPGRADE: OPENS + timedelta(days=7)}

    ended = OPENS + timedelta(minutes=3)
    outcome = replace(UPGRADED, started_at=OPENS, finished_at=ended)
    Record(store).save_engine_outcome(outcome, ended, block_sentence)

    assert runs(store, later) == {JobKind.DOCKER_UPGRADE: OPENS + timedelta(days=7)}


def test_after_a_failure_that_needs_a_person_nothing_starts(tmp_path: Path) -> None:
    store = store_with(tmp_path, READY)
    failed = replace(UPGRADED, result=EngineResult.FAILED_NEEDS_ATTENTION)
    Record(store).save_engine_outcome(failed, given.NOW, block_sentence)

    assert runs(store) == {}


def test_a_damaged_record_starts_nothing(tmp_path: Path) -> None:
    store = store_with(tmp_path, READY)
    (tmp_path / "docker-outcome.json").write_text("{")

    assert runs(store) == {}


@pytest.mark.parametrize(
    ("window", "now", "may"),
    [
        ("", OPENS - timedelta(days=1), True),
        ("Sat 02:00-04:00", OPENS, True),
        ("Sat 02:00-04:00", OPENS - timedelta(seconds=1), False),
        ("Sat 02:00-04:00", OPENS + timedelta(hours=2), False),
        ("Sat 02:00-04:00 Europe/Nowhere", OPENS, False),
    ],
    ids=["no window", "open", "too early", "too late", "its time zone has gone"],
)
def test_the_daily_upgrade_is_accepted_in_its_window_only(window: str, now: datetime, *, may: bool) -> None:
    policy = replace(given.policy().agent, upgrade_window=window)

    assert may_upgrade(policy, now, UTC) is may
