"""jobs.json survives the process that requested a job and the one that ran it."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.job_kinds import SCHEDULED_JOBS
from agent.state.job_status import describe_running, read_job_status, record_job_end, record_job_start, running_job
from agent.state.job_views import JOB_NAMES
from agent.state.json_reader import JsonReader
from agent.state.store import Store
from tests.core import given

NOW = given.NOW
LATER = NOW + timedelta(minutes=3)
MUCH_LATER = NOW + timedelta(hours=3)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def entry(store: Store, name: str = "upgrade") -> JsonReader:
    document = read_job_status(store)
    assert document is not None
    return document.child("jobs").child(name)


def once(store: Store, exit_code: int, requested_by: str = "schedule") -> None:
    record_job_start(store, "upgrade", NOW, requested_by)
    record_job_end(store, "upgrade", LATER, exit_code)


def test_without_any_job_there_is_no_document(store: Store) -> None:
    assert read_job_status(store) is None


def test_a_started_job_has_no_end_yet(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "ann")

    assert entry(store).time("started_at") == NOW
    assert entry(store).optional_time("finished_at") is None
    assert entry(store).text("asked_by") == "ann"
    assert "upgrade, since 20" in describe_running(store)


@pytest.mark.parametrize("exit_code", [0, 10])
def test_a_success_resets_the_failures(store: Store, exit_code: int) -> None:
    once(store, 1)

    once(store, exit_code)

    assert entry(store).optional_time("finished_at") == LATER
    assert (entry(store).number("exit_code"), entry(store).number("failures")) == (exit_code, 0)


@pytest.mark.parametrize("exit_code", [1, 3, 5, 78])
def test_failures_in_a_row_are_counted(store: Store, exit_code: int) -> None:
    once(store, exit_code)
    once(store, exit_code)

    assert entry(store).number("failures") == 2


def test_an_interrupted_run_counts_as_failed_once_another_starts(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    record_job_start(store, "upgrade", LATER, "schedule")
    started = entry(store).number("failures")
    record_job_end(store, "upgrade", LATER, 1)

    assert (started, entry(store).number("failures")) == (1, 2)


def test_each_job_has_its_entry(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "check", NOW, "schedule")
    record_job_end(store, "check", LATER, 0)

    assert (entry(store).number("failures"), entry(store, "check").number("failures")) == (1, 0)


@pytest.mark.parametrize("text", ["", "{", '{"schema": "maestro.jobs/1", "jobs": 7}', '{"schema": "maestro.jobs/2"}'])
def test_a_damaged_document_is_replaced_by_the_next_job(store: Store, text: str) -> None:
    Path(store.path("jobs")).write_text(text)

    once(store, 0)

    assert entry(store).number("exit_code") == 0


def test_a_failed_manual_run_does_not_change_the_schedule(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "upgrade", MUCH_LATER, "ann")
    record_job_end(store, "upgrade", MUCH_LATER, 5)

    assert entry(store).number("exit_code") == 5
    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (1, LATER)


def test_a_successful_manual_run_counts_for_the_schedule(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "upgrade", MUCH_LATER, "ann")
    record_job_end(store, "upgrade", MUCH_LATER, 0)

    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (0, MUCH_LATER)


def test_an_interrupted_scheduled_run_counts_as_attempted_at_its_start(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    record_job_start(store, "upgrade", MUCH_LATER, "ann")

    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (1, NOW)


def test_the_start_of_the_first_job_never_changes(store: Store) -> None:
    once(store, 0)
    record_job_start(store, "check", MUCH_LATER, "ann")

    document = read_job_status(store)

    assert document is not None
    assert document.time("since") == NOW


def test_the_running_job_is_the_one_started_last(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")
    record_job_start(store, "check", LATER, "schedule")

    document = read_job_status(store)

    assert document is not None
    assert running_job(document) == ("check", LATER)
    assert "check, since 20" in describe_running(store)


def test_the_jobs_that_status_shows_are_those_that_the_daemon_schedules() -> None:
    assert tuple(kind.value for kind in SCHEDULED_JOBS) == JOB_NAMES
