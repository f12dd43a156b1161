"""The daemon's errands: the worker at the other end is a real socket that speaks the protocol, or does not."""

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

from agent.core.schedule.jobs import Job
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
    """Serve one connection; yields the verbs that were asked for."""
    asked: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(decode_request(connection.makefile("rb").readline(), "/s").verb.value)
            behave(connection)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        thread.join(timeout=10)


def done(errand: JobDispatcher, job: Job = Job.CHECK) -> JobDispatcher:
    errand.take(job)
    errand.do()
    return errand


def attempts(errand: JobDispatcher, job: Job = Job.CHECK) -> JobAttempts:
    return errand.remembered().attempts[job]


def problems(errand: JobDispatcher) -> list[str]:
    return errand.problems(errand.remembered())


def test_a_job_is_asked_for_and_its_progress_heard(store: Store, tmp_path: Path) -> None:
    heard = threading.Event()
    seen: list[str] = []

    def behave(connection: socket.socket) -> None:
        connection.sendall(encode_progress("half way") + encode_progress(""))
        heard.wait(10)
        connection.sendall(encode_answer(JobAnswer(exit_code=0)))

    with worker(tmp_path / "s", behave) as asked:
        errand = JobDispatcher(store, str(tmp_path / "s"))
        errand.take(Job.CHECK)
        thread = threading.Thread(target=errand.do)
        thread.start()
        while errand.doing != "half way":
            pass
        seen.append(errand.doing)
        heard.set()
        thread.join(timeout=10)

    assert asked == ["check"]
    assert seen == ["half way"]
    assert (errand.job, problems(errand), errand.stuck) == (None, [], False)


def test_a_worker_that_is_not_there_is_not_asked_again_at_once(store: Store, tmp_path: Path) -> None:
    errand = JobDispatcher(store, str(tmp_path / "nobody"))

    counts = [attempts(done(errand), Job.CHECK).failures for _ in range(3)]

    assert counts == [1, 2, 3]
    assert attempts(errand, Job.CHECK).last is not None
    assert attempts(errand, Job.UPGRADE).last is None
    assert "no worker answers" in problems(errand)[0]


def test_once_the_worker_is_back_its_record_counts_again(store: Store, tmp_path: Path) -> None:
    errand = done(JobDispatcher(store, str(tmp_path / "s")))

    def behave(connection: socket.socket) -> None:
        record_job_start(store, "check", datetime.now(timezone.utc), "schedule")
        record_job_end(store, "check", datetime.now(timezone.utc), 0)
        connection.sendall(encode_answer(JobAnswer(exit_code=0)))

    with worker(tmp_path / "s", behave):
        done(errand)

    assert (attempts(errand, Job.CHECK).failures, problems(errand)) == (0, [])


@pytest.mark.parametrize(
    "said", [b"", b"rubbish\n", b"{}\n", b'{"tell": 1}\n', b'{"exit_code": 1', b"\xff\n", b"[" * 9999 + b"\n"]
)
def test_a_worker_that_speaks_nonsense_or_dies_is_a_failed_job(store: Store, tmp_path: Path, said: bytes) -> None:
    with worker(tmp_path / "s", lambda connection: connection.sendall(said)):
        errand = done(JobDispatcher(store, str(tmp_path / "s")))

    assert attempts(errand, Job.CHECK).failures == 1
    assert problems(errand)[0].startswith("the last check failed: ")


def test_a_job_that_fails_by_its_own_record_is_counted_once(store: Store, tmp_path: Path) -> None:
    def behave(connection: socket.socket) -> None:
        record_job_start(store, "upgrade", NOW, "schedule")
        record_job_end(store, "upgrade", NOW, 1)
        connection.sendall(encode_answer(JobAnswer(exit_code=1)))

    with worker(tmp_path / "s", behave):
        errand = done(JobDispatcher(store, str(tmp_path / "s")), Job.UPGRADE)

    assert attempts(errand, Job.UPGRADE).failures == 1
    assert "history" in problems(errand)[0]


def test_a_job_that_was_cut_off_counts_as_failed_and_one_that_runs_does_not(store: Store) -> None:
    record_job_start(store, "upgrade", NOW, "schedule")

    cut_off = attempts(JobDispatcher(store), Job.UPGRADE)
    source = (
        f"from agent.state.store import Store\nwith Store({store.directory!r}).exclusive(): print(flush=True); input()"
    )
    with subprocess.Popen(["/usr/bin/python3", "-c", source], stdin=PIPE, stdout=PIPE, stderr=DEVNULL) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        running = attempts(JobDispatcher(store), Job.UPGRADE)
        worker.kill()

    assert (cut_off.failures, running.failures) == (1, 0)
    assert cut_off.last == running.last == NOW


def test_a_damaged_record_is_taken_for_none_so_that_the_next_job_may_mend_it(store: Store) -> None:
    Path(store.path("jobs")).write_text("{")

    assert attempts(JobDispatcher(store), Job.CHECK).last is None


def test_what_a_person_did_about_a_problem_ends_it(store: Store, tmp_path: Path) -> None:
    errand = done(JobDispatcher(store, str(tmp_path / "nobody")))
    before = problems(errand)

    record_job_start(store, "check", datetime.now(timezone.utc) + timedelta(seconds=1), "ann")
    record_job_end(store, "check", datetime.now(timezone.utc) + timedelta(seconds=1), 0)
    time.sleep(1.1)

    assert (len(before), problems(errand)) == (1, [])


def test_that_another_job_goes_on_is_no_problem_but_a_reason_to_come_back(store: Store, tmp_path: Path) -> None:
    busy = encode_answer(JobAnswer(exit_code=5, error="another maestro-agent (pid 7) is at work"))

    with worker(tmp_path / "s", lambda connection: connection.sendall(busy)):
        errand = done(JobDispatcher(store, str(tmp_path / "s")))

    assert (problems(errand), attempts(errand).failures) == ([], 1)


def test_an_attempt_from_the_future_does_not_hide_a_worker_that_is_not_there(store: Store, tmp_path: Path) -> None:
    record_job_start(store, "check", datetime.now(timezone.utc) + timedelta(days=30), "schedule")
    record_job_end(store, "check", datetime.now(timezone.utc) + timedelta(days=30), 0)

    errand = done(JobDispatcher(store, str(tmp_path / "nobody")))

    assert attempts(errand).failures == 1


def test_a_silent_worker_is_stuck_after_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    errand = JobDispatcher(store)
    errand.take(Job.CHECK)
    fresh = errand.stuck
    monkeypatch.setattr("agent.daemon.job_dispatcher.STALL_TIMEOUT_S", -1.0)

    assert (fresh, errand.stuck) == (False, True)
