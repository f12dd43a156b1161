"""What is remembered of each kind of job outlives whoever asked for it, and whoever did it."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.state.job_status import describe_running, read_job_status, record_job_end, record_job_start, running_job
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


def once(store: Store, exit_code: int, asked_by: str = "schedule") -> None:
    record_job_start(store, "upgrade", NOW, asked_by)
    record_job_end(store, "upgrade", LATER, exit_code)


def test_nothing_is_remembered_of_a_job_that_was_never_done(store: Store) -> None:
    assert read_job_status(store) is None


def test_a_job_that_has_begun_has_no_end_yet(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "ann")

    assert entry(store).time("started_at") == NOW
    assert entry(store).optional_time("finished_at") is None
    assert entry(store).text("asked_by") == "ann"
    assert "upgrade, since 20" in describe_running(store)


@pytest.mark.parametrize("exit_code", [0, 10])
def test_a_job_that_did_what_it_could_has_not_failed(store: Store, exit_code: int) -> None:
    once(store, 1)

    once(store, exit_code)

    assert entry(store).optional_time("finished_at") == LATER
    assert (entry(store).number("exit_code"), entry(store).number("failures")) == (exit_code, 0)


@pytest.mark.parametrize("exit_code", [1, 3, 5, 78])
def test_failures_in_a_row_are_counted(store: Store, exit_code: int) -> None:
    once(store, exit_code)
    once(store, exit_code)

    assert entry(store).number("failures") == 2


def test_a_job_that_was_cut_off_has_failed_once_another_begins(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    record_job_start(store, "upgrade", LATER, "schedule")
    begun = entry(store).number("failures")
    record_job_end(store, "upgrade", LATER, 1)

    assert (begun, entry(store).number("failures")) == (1, 2)


def test_kinds_of_jobs_are_remembered_apart(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "check", NOW, "schedule")
    record_job_end(store, "check", LATER, 0)

    assert (entry(store).number("failures"), entry(store, "check").number("failures")) == (1, 0)


@pytest.mark.parametrize("text", ["", "{", '{"schema": "maestro.jobs/1", "jobs": 7}', '{"schema": "maestro.jobs/2"}'])
def test_a_damaged_record_of_jobs_does_not_keep_the_next_job_from_its_own(store: Store, text: str) -> None:
    Path(store.path("jobs")).write_text(text)

    once(store, 0)

    assert entry(store).number("exit_code") == 0


def test_what_a_person_tried_in_vain_leaves_the_schedule_as_it_was(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "upgrade", MUCH_LATER, "ann")
    record_job_end(store, "upgrade", MUCH_LATER, 5)

    assert entry(store).number("exit_code") == 5
    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (1, LATER)


def test_what_a_person_did_with_success_counts_for_the_schedule(store: Store) -> None:
    once(store, 1)
    record_job_start(store, "upgrade", MUCH_LATER, "ann")
    record_job_end(store, "upgrade", MUCH_LATER, 0)

    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (0, MUCH_LATER)


def test_a_job_of_the_schedule_that_was_cut_off_was_attempted_when_it_began(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    record_job_start(store, "upgrade", MUCH_LATER, "ann")

    assert (entry(store).number("failures"), entry(store).time("attempted_at")) == (1, NOW)


def test_since_when_jobs_are_remembered_never_changes(store: Store) -> None:
    once(store, 0)
    record_job_start(store, "check", MUCH_LATER, "ann")

    document = read_job_status(store)

    assert document is not None
    assert document.time("since") == NOW


def test_the_job_that_is_told_to_run_is_the_one_that_began_last(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")
    record_job_start(store, "check", LATER, "schedule")

    document = read_job_status(store)

    assert document is not None
    assert running_job(document) == ("check", LATER)
    assert "check, since 20" in describe_running(store)
