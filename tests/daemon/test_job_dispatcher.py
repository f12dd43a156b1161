"""The job dispatcher against a real socket, whose other end follows the worker's protocol or breaks it."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest

from agent.core.job_kinds import JobKind
from agent.core.schedule.slots import JobAttempts
from agent.daemon.job_dispatcher import JobDispatcher
from agent.state.job_status import record_job_end, record_job_start
from agent.state.store import Store
from agent.worker.protocol import JobAnswer, decode_request, encode_answer, encode_progress
from tests.core import given

NOW = given.NOW


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@contextmanager
def worker(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[list[str]]:
    """Serve one connection; yields the names of the requested jobs."""
    requested: list[str] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            requested.append(decode_request(connection.makefile("rb").readline(), "/s").kind.value)
            behave(connection)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield requested
        thread.join(timeout=60)


def run(dispatcher: JobDispatcher, job: JobKind = JobKind.CHECK) -> JobDispatcher:
    dispatcher.start(job)
    dispatcher.run()
    return dispatcher


def attempts(dispatcher: JobDispatcher, job: JobKind = JobKind.CHECK) -> JobAttempts:
    return dispatcher.load_status().attempts[job]


def problems(dispatcher: JobDispatcher) -> list[str]:
    return dispatcher.problems(dispatcher.load_status())


def test_a_job_is_requested_and_its_progress_received(store: Store, tmp_path: Path) -> None:
    received = threading.Event()
    seen: list[str] = []

    def behave(connection: socket.socket) -> None:
        connection.sendall(encode_progress("half way") + encode_progress(""))
        received.wait(60)
        connection.sendall(encode_answer(JobAnswer(exit_code=0)))

    with worker(tmp_path / "s", behave) as requested:
        dispatcher = JobDispatcher(store, str(tmp_path / "s"))
        dispatcher.start(JobKind.CHECK)
        thread = threading.Thread(target=dispatcher.run)
        thread.start()
        deadline = time.monotonic() + 60
        while dispatcher.progress != "half way" and time.monotonic() < deadline:
            time.sleep(0.001)
        seen.append(dispatcher.progress)
        received.set()
        thread.join(timeout=60)

    assert requested == ["check"]
    assert seen == ["half way"]
    assert (dispatcher.job, problems(dispatcher), dispatcher.stalled) == (None, [], False)


def test_attempts_to_reach_a_missing_worker_are_counted_as_failures(store: Store, tmp_path: Path) -> None:
    dispatcher = JobDispatcher(store, str(tmp_path / "missing"))

    counts = [attempts(run(dispatcher), JobKind.CHECK).failures for _ in range(3)]

    assert counts == [1, 2, 3]
    assert attempts(dispatcher, JobKind.CHECK).last is not None
    assert attempts(dispatcher, JobKind.UPGRADE).last is None
    assert "no worker answers" in problems(dispatcher)[0]


def test_once_the_worker_is_back_its_record_counts(store: Store, tmp_path: Path) -> None:
    dispatcher = run(JobDispatcher(store, str(tmp_path / "s")))

    def behave(connection: socket.socket) -> None:
        record_job_start(store, "check", datetime.now(timezone.utc), "schedule")
        record_job_end(store, "check", datetime.now(timezone.utc), 0)
        connection.sendall(encode_answer(JobAnswer(exit_code=0, recorded=True)))

    with worker(tmp_path / "s", behave):
        run(dispatcher)

    assert (attempts(dispatcher, JobKind.CHECK).failures, problems(dispatcher)) == (0, [])


@pytest.mark.parametrize(
    "reply", [b"", b"rubbish\n", b"{}\n", b'{"progress": 1}\n', b'{"exit_code": 1', b"\xff\n", b"[" * 9999 + b"\n"]
)
def test_an_invalid_reply_or_none_is_a_failed_job(store: Store, tmp_path: Path, reply: bytes) -> None:
    with worker(tmp_path / "s", lambda connection: connection.sendall(reply)):
        dispatcher = run(JobDispatcher(store, str(tmp_path / "s")))

    assert attempts(dispatcher, JobKind.CHECK).failures == 1
    assert problems(dispatcher)[0].startswith("the last check failed: ")


def test_a_failure_that_the_worker_recorded_is_counted_once(store: Store, tmp_path: Path) -> None:
    def behave(connection: socket.socket) -> None:
        record_job_start(store, "upgrade", NOW, "schedule")
        record_job_end(store, "upgrade", NOW, 1)
        connection.sendall(encode_answer(JobAnswer(exit_code=1, recorded=True)))

    with worker(tmp_path / "s", behave):
        dispatcher = run(JobDispatcher(store, str(tmp_path / "s")), JobKind.UPGRADE)

    assert attempts(dispatcher, JobKind.UPGRADE).failures == 1
    assert problems(dispatcher) == [], "`status` has the run on record"


def test_a_worker_that_dies_after_it_recorded_the_start_is_one_failure(store: Store, tmp_path: Path) -> None:
    with worker(tmp_path / "s", lambda _: record_job_start(store, "check", datetime.now(timezone.utc), "schedule")):
        dispatcher = run(JobDispatcher(store, str(tmp_path / "s")))

    assert attempts(dispatcher).failures == 1


def test_an_interrupted_job_counts_as_failed_and_a_running_one_does_not(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    interrupted = attempts(JobDispatcher(store), JobKind.UPGRADE)
    source = (
        "from agent.state.job_lock import job_lock; from agent.state.store import Store\n"
        f"with job_lock(Store({store.directory!r})): print(flush=True); input()"
    )
    with subprocess.Popen(["/usr/bin/python3", "-c", source], stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        running = attempts(JobDispatcher(store), JobKind.UPGRADE)
        worker.kill()

    assert (interrupted.failures, running.failures) == (1, 0)
    assert interrupted.last == running.last == NOW


def test_a_damaged_record_is_treated_as_empty(store: Store) -> None:
    Path(store.path("jobs")).write_text("{")

    assert attempts(JobDispatcher(store), JobKind.CHECK).last is None


def test_a_successful_manual_run_clears_the_problem(store: Store, tmp_path: Path) -> None:
    dispatcher = run(JobDispatcher(store, str(tmp_path / "missing")))
    before = problems(dispatcher)

    record_job_start(store, "check", datetime.now(timezone.utc) + timedelta(seconds=1), "ann")
    record_job_end(store, "check", datetime.now(timezone.utc) + timedelta(seconds=1), 0)
    time.sleep(1.1)

    assert (len(before), problems(dispatcher)) == (1, [])


def test_another_running_job_is_a_reason_to_retry_and_not_a_problem(store: Store, tmp_path: Path) -> None:
    busy = encode_answer(JobAnswer(exit_code=5, error="another maestro-agent (pid 7) is running"))

    with worker(tmp_path / "s", lambda connection: connection.sendall(busy)):
        dispatcher = run(JobDispatcher(store, str(tmp_path / "s")))

    assert (problems(dispatcher), attempts(dispatcher).failures) == ([], 1)


def test_a_recorded_attempt_in_the_future_does_not_hide_a_missing_worker(store: Store, tmp_path: Path) -> None:
    record_job_start(store, "check", datetime.now(timezone.utc) + timedelta(days=30), "schedule")
    record_job_end(store, "check", datetime.now(timezone.utc) + timedelta(days=30), 0)

    dispatcher = run(JobDispatcher(store, str(tmp_path / "missing")))

    assert attempts(dispatcher).failures == 1


def test_a_silent_worker_is_stalled_after_the_timeout(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = JobDispatcher(store)
    dispatcher.start(JobKind.CHECK)
    fresh = dispatcher.stalled
    monkeypatch.setattr("agent.daemon.job_dispatcher.STALL_TIMEOUT_S", -1.0)

    assert (fresh, dispatcher.stalled) == (False, True)
