"""The record on disk: atomic writes, tolerant reads, the job lock. Real files throughout."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.core.model.facts import SourceError, SourceFault
from agent.core.model.outcome import Result
from agent.core.ports import RefreshResult
from agent.errors import BusyError, HostError, RecordError
from agent.state.job_lock import job_lock, worker_pid
from agent.state.record import Record, open_record
from agent.state.store import REFRESH, STATE, Store
from tests.core import given

SCHEMA = "maestro.state/1"
DOCUMENT: dict[str, object] = {"schema": SCHEMA, "word": "ä"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "state"))
    assert made.writable()
    return made


def files(store: Store) -> list[str]:
    """Return all files of the record, relative to its directory."""
    root = Path(store.directory)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Limit the size of every file, as a full file system does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# writing


def test_a_written_document_is_read(store: Store) -> None:
    store.write(STATE, DOCUMENT)

    found = store.read(STATE, SCHEMA)

    assert found is not None
    assert found.raw == DOCUMENT
    assert files(store) == ["state.json"]


def test_a_document_replaces_the_previous_one(store: Store) -> None:
    store.write(STATE, {**DOCUMENT, "more": "x" * 1000})
    store.write(STATE, DOCUMENT)

    assert json.loads(Path(store.path(STATE)).read_text()) == DOCUMENT


def test_a_failed_write_keeps_the_old_document_and_leaves_no_file(store: Store) -> None:
    store.write(STATE, DOCUMENT)

    with full_disk(1000), pytest.raises(HostError, match=r"state\.json: cannot be written: File too large"):
        store.write(STATE, {**DOCUMENT, "more": "x" * 100_000})

    assert json.loads(Path(store.path(STATE)).read_text()) == DOCUMENT
    assert files(store) == ["state.json"]


def test_a_failed_rename_leaves_no_file(store: Store) -> None:
    Path(store.path(STATE)).mkdir()

    with pytest.raises(HostError, match="cannot be written: Is a directory"):
        store.write(STATE, DOCUMENT)

    assert files(store) == []


def test_a_value_that_is_not_json_leaves_no_file(store: Store) -> None:
    with pytest.raises(TypeError):
        store.write(STATE, {**DOCUMENT, "value": object()})

    assert files(store) == []


def test_a_document_is_readable_for_all_and_writable_for_its_owner(store: Store) -> None:
    with umask(0o077):
        store.write(STATE, DOCUMENT)

    assert Path(store.path(STATE)).stat().st_mode & 0o777 == 0o644


def test_a_private_document_is_private_before_anything_is_in_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[int] = []
    monkeypatch.setattr(os, "fchmod", lambda file, _mode: created.append(os.fstat(file).st_mode & 0o777))

    with umask(0):
        store.write(STATE, DOCUMENT, mode=0o600)

    assert created == [0o600]


def test_the_directories_are_readable_for_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "state"))

    with umask(0o077):
        store.write_run("1", DOCUMENT)

    assert {path.stat().st_mode & 0o777 for path in (Path(store.directory), Path(store.directory, "history"))} == {
        0o755
    }


def test_missing_directories_are_created(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "a" / "b"))

    store.write(STATE, DOCUMENT)

    assert files(store) == ["state.json"]


def test_a_directory_that_cannot_be_created_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for store in (Store(str(tmp_path / "file")), Store(str(tmp_path / "file" / "state")), Store("/proc/maestro-agent")):
        assert not store.writable()
        with pytest.raises(HostError, match="cannot be written"):
            store.write(STATE, DOCUMENT)


# reading


def test_a_document_that_was_never_written_is_none(store: Store) -> None:
    assert store.read(STATE, SCHEMA) is None
    assert Store("/nonexistent").read(STATE, SCHEMA) is None


_DAMAGED = {
    "empty": b"",
    "cut off": b'{"schema": "maestro.state/1", "wo',
    "not UTF-8": b'{"schema": "maestro.state/1", "word": "\xe4"}',
    "zeros of a power cut": b"\0" * 4096,
    "two documents": b"{}{}",
    "nested for ever": b"[" * 200_000,
    "nested objects": b'{"a":' * 100_000,
    "a long number": b'{"schema": ' + b"9" * 10_000 + b"}",
    "a list": b"[]",
    "null": b"null",
    "a string": b'"maestro.state/1"',
    "no schema": b"{}",
    "schema of another kind": b'{"schema": 1}',
    "newer schema": b'{"schema": "maestro.state/2"}',
    "other document": b'{"schema": "maestro.outcome/1"}',
}


@pytest.mark.parametrize("content", _DAMAGED.values(), ids=_DAMAGED)
def test_a_damaged_document_is_set_aside_with_a_message(store: Store, content: bytes) -> None:
    path = Path(store.path(STATE))
    path.write_bytes(content)

    with pytest.raises(RecordError) as caught:
        store.read(STATE, SCHEMA)

    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(f"it was set aside as {path}.unreadable")
    assert len(str(caught.value)) < 500
    assert Path(f"{path}.unreadable").read_bytes() == content
    assert store.read(STATE, SCHEMA) is None


def test_a_newer_schema_is_an_error_that_names_both_schemas(store: Store) -> None:
    Path(store.path(STATE)).write_text('{"schema": "maestro.state/2"}')

    with pytest.raises(
        RecordError, match=r"holds 'maestro\.state/2', this version of the agent reads 'maestro\.state/1'"
    ):
        store.read(STATE, SCHEMA)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_json_is_damage(store: Store, word: str) -> None:
    Path(store.path(STATE)).write_text(f'{{"schema": "{SCHEMA}", "plan": {word}}}')

    with pytest.raises(RecordError, match=f"is damaged: {word} is not JSON"):
        store.read(STATE, SCHEMA)


def test_a_new_document_can_be_written_after_the_damaged_one_is_set_aside(store: Store) -> None:
    Path(store.path(STATE)).write_text("damaged")
    with pytest.raises(RecordError):
        store.read(STATE, SCHEMA)

    store.write(STATE, DOCUMENT)

    assert store.read(STATE, SCHEMA) is not None


def test_a_directory_in_place_of_a_document_is_an_error(store: Store) -> None:
    Path(store.path(STATE)).mkdir()

    with pytest.raises(RecordError, match="cannot be read: Is a directory"):
        store.read(STATE, SCHEMA)


def test_a_damaged_document_can_be_only_a_warning(store: Store) -> None:
    warnings: list[str] = []
    Path(store.path(STATE)).write_text("damaged")

    assert Store(store.directory, warnings.append).read_or_warn(STATE, SCHEMA) is None
    (warning,) = warnings
    assert warning.startswith(f"{store.path(STATE)}: is damaged")


# history


def test_runs_are_listed_newest_first(store: Store) -> None:
    ids = ["20261123T051000Z", "20261123T051000Z-002", "20261122T051000Z", "20270101T000000Z"]
    for run_id in ids:
        store.write_run(run_id, DOCUMENT)

    assert store.run_ids() == ["20270101T000000Z", "20261123T051000Z-002", "20261123T051000Z", "20261122T051000Z"]
    assert all(store.read(f"history/{run_id}", SCHEMA) for run_id in ids)


def test_other_files_are_not_listed_as_runs(store: Store) -> None:
    store.write_run("1", DOCUMENT)
    Path(store.log_path("1")).write_text("output")
    Path(store.directory, "history", "0.json.unreadable").write_text("damaged")
    Path(store.directory, "history", "2.json.new-812").write_text("half")

    assert store.run_ids() == ["1"]


def test_without_a_directory_there_are_no_runs() -> None:
    assert Store("/nonexistent").run_ids() == []


def test_an_unreadable_history_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("")

    with pytest.raises(RecordError, match="cannot be read: Not a directory"):
        Store(str(tmp_path)).run_ids()


def test_only_the_newest_500_runs_are_kept_with_their_output(store: Store) -> None:
    history = Path(store.directory, "history")
    for number in range(503):
        (history / f"{number:04}.json").write_text("{}")
    for name in ("0000", "0003", "0004", "0502"):
        Path(store.log_path(name)).write_text("output")

    store.write_run("0503", DOCUMENT)

    assert store.run_ids() == [f"{number:04}" for number in range(503, 3, -1)]
    assert sorted(path.name for path in history.glob("*.log")) == ["0004.log", "0502.log"]


# job lock


_JOB = """
import sys
sys.path.insert(0, sys.argv[1])
from agent.state.job_lock import job_lock
from agent.state.store import Store
with job_lock(Store(sys.argv[2])):
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_job(store: Store) -> Iterator["subprocess.Popen[bytes]"]:
    """Return another process that runs a job until its standard input is closed."""
    command = [sys.executable, "-c", _JOB, str(Path(__file__).resolve().parent.parent.parent), store.directory]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        yield process
        process.kill()


def test_a_second_job_gets_an_error_with_the_pid_of_the_first(
    store: Store, other_job: "subprocess.Popen[bytes]"
) -> None:
    message = rf"another maestro-agent \(pid {other_job.pid}\) is running"

    with pytest.raises(BusyError, match=message), job_lock(store):
        raise AssertionError("two jobs run")


def test_the_pid_of_the_running_job_is_known(store: Store, other_job: "subprocess.Popen[bytes]") -> None:
    assert worker_pid(store.directory) == other_job.pid

    other_job.communicate(timeout=60)

    assert worker_pid(store.directory) is None


def test_a_job_does_not_see_itself_as_another(store: Store) -> None:
    with job_lock(store):
        assert worker_pid(store.directory) is None


def test_a_job_can_start_after_the_first_has_ended(store: Store, other_job: "subprocess.Popen[bytes]") -> None:
    other_job.communicate(timeout=60)

    with job_lock(store):
        assert other_job.returncode == 0


def test_a_killed_job_leaves_no_lock(store: Store, other_job: "subprocess.Popen[bytes]") -> None:
    other_job.kill()
    other_job.wait(timeout=60)

    with job_lock(store):
        assert other_job.returncode == -signal.SIGKILL


def test_one_process_can_take_the_lock_again(store: Store) -> None:
    with job_lock(store):
        pass
    with job_lock(store):
        assert Path(store.directory, "lock").exists()


def test_temporary_files_of_a_killed_job_are_removed(store: Store) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (f"state.json.new-{gone.pid}", f"history/1.json.new-{gone.pid}", f"history/2.json.new-{os.getpid()}"):
        Path(store.directory, name).write_text("half")

    with job_lock(store):
        assert files(store) == ["lock", "running"]


def test_what_other_job_is_still_writing_is_left_alone(store: Store, other_job: "subprocess.Popen[bytes]") -> None:
    beside = Store(f"{store.directory}/beside")
    assert beside.writable()
    Path(beside.directory, f"state.json.new-{other_job.pid}").write_text("half")

    with job_lock(beside):
        assert files(beside) == ["lock", "running", f"state.json.new-{other_job.pid}"]


def test_a_lock_file_that_cannot_be_opened_is_a_host_error() -> None:
    with pytest.raises(HostError, match="/nonexistent/lock: cannot be opened"), job_lock(Store("/nonexistent")):
        raise AssertionError("a job runs without a lock")


# record


def test_a_refresh_result_is_recorded(store: Store) -> None:
    error = SourceError(source="ppa", fault=SourceFault.EXPIRED, detail="since yesterday")

    Record(store).save_refresh(RefreshResult(verified_at=given.NOW, errors=(error,)), given.NOW)

    assert Record(store).load_refresh() == RefreshResult(verified_at=given.NOW, errors=(error,))


def test_lists_that_were_never_verified_are_recorded_as_such(store: Store) -> None:
    Record(store).save_refresh(RefreshResult(verified_at=None), given.NOW)

    assert Record(store).load_refresh() == RefreshResult(verified_at=None)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"verified_at": "yesterday", "errors": []},
        {"verified_at": "2026-11-23T05:10:00+00:00", "errors": []},
        {"verified_at": 5, "errors": []},
        {"verified_at": "2026-11-23T05:10:00Z"},
        {"verified_at": "2026-11-23T05:10:00Z", "errors": [5]},
        {"verified_at": "2026-11-23T05:10:00Z", "errors": [{"source": "a", "fault": "new-fault", "detail": "b"}]},
    ],
)
def test_a_malformed_refresh_result_counts_as_never_verified(store: Store, document: dict[str, object]) -> None:
    store.write(REFRESH, {"schema": "maestro.refresh/1", **document})

    assert Record(store).load_refresh() == RefreshResult(verified_at=None)


def test_a_read_only_record_writes_nothing_and_does_not_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = open_record(Store(str(tmp_path / "file" / "state")))

    record.save_refresh(RefreshResult(verified_at=given.NOW), given.NOW)
    record.save_plan(given.plan(), given.NOW, fresh_until=given.NOW, scan=given.WATCHED)

    assert "the record cannot be written there" in record.write_error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_plan_that_cannot_be_written_is_kept_as_a_write_error(store: Store) -> None:
    record = open_record(store)
    Path(store.path(STATE)).mkdir()

    record.save_plan(given.plan(), given.NOW, fresh_until=given.NOW, scan=given.WATCHED)

    assert "state.json: cannot be written" in record.write_error


def test_a_writable_record_has_no_write_error(store: Store) -> None:
    assert open_record(store).writable


def test_a_run_that_cannot_be_recorded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = open_record(Store(str(tmp_path / "file" / "state")))

    with pytest.raises(HostError, match="cannot be written"):
        record.save_outcome(given.outcome(result=Result.UPDATED), given.NOW)


def test_runs_of_the_same_second_get_ids_in_order(store: Store) -> None:
    record = open_record(store)
    ids = []
    for _ in range(3):
        ids.append(record.new_run_id(given.NOW))
        store.write_run(ids[-1], DOCUMENT)

    assert ids == ["20261123T051000Z", "20261123T051000Z-002", "20261123T051000Z-003"]
    assert store.run_ids() == ids[::-1]


def test_the_1000th_run_after_one_with_the_clock_ahead_is_kept_as_the_newest(store: Store) -> None:
    history = Path(store.directory, "history")
    history.mkdir(exist_ok=True)
    for number in range(500, 1000):
        (history / f"20380101T000000Z-{number}.json").write_text("{}")

    run_id = open_record(store).new_run_id(given.NOW)
    store.write_run(run_id, DOCUMENT)

    assert store.run_ids()[:2] == [run_id, "20380101T000000Z-999"]
