"""`lock-release` from the request to the record, against a real server."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.core.job_kinds import JobKind, JobOption
from agent.core.policy.policy import RebootPolicy
from agent.core.reboot.ports import RebootActs
from agent.errors import BusyError, ExitCode
from agent.worker.jobs.lock_release import run
from agent.worker.protocol import JobAnswer, JobRequest
from tests.state.test_reboot_schemas import faults
from tests.support.lock_hosts import GROUP, LockHost
from tests.support.lock_servers import Heathcliff, LockServer, lock_server
from tests.worker.jobs.simulator import Agent


@pytest.fixture
def semaphores() -> Heathcliff:
    return Heathcliff(slots={GROUP: 1})


@pytest.fixture
def server(semaphores: Heathcliff) -> Iterator[LockServer]:
    with lock_server(semaphores) as served:
        yield served


@pytest.fixture
def host(tmp_path: Path, server: LockServer) -> LockHost:
    return LockHost(name="host-a", directory=tmp_path, url=server.url)


def release(host: LockHost, *options: JobOption, stopping: bool = False) -> JobAnswer:
    agent = Agent(host.directory)
    machine: Any = SimpleNamespace(stopping=lambda: stopping)
    agent.reboot_acts = RebootActs(host=machine, lock=host.lock(), policy=RebootPolicy, send_report=lambda: None)
    request = JobRequest(kind=JobKind.RELEASE_LOCK, options=frozenset(options), state_dir=str(host.directory))
    return run(request, agent.context)


def result(answer: JobAnswer) -> tuple[object, object, int]:
    assert answer.document is not None
    assert faults("fleet-lock", answer.document) == []
    return answer.document["result"], answer.document["phase"], answer.exit_code


def test_a_slot_is_not_given_back_while_the_machine_goes_down(host: LockHost, semaphores: Heathcliff) -> None:
    host.lock().acquire("kernel")

    with pytest.raises(BusyError):
        release(host, stopping=True)
    with pytest.raises(BusyError):
        release(host, JobOption.FORGET_LOCK, stopping=True)

    assert semaphores.holders() == {(GROUP, "host-a")}
    assert host.record.load().lock is not None


def test_a_kept_slot_is_given_back(host: LockHost, semaphores: Heathcliff) -> None:
    host.lock().acquire("kernel")
    host.lock().keep("cron.service failed")
    answer = release(host)

    assert result(answer) == ("released", "free", ExitCode.OK)
    assert answer.document is not None
    assert answer.document["was"] == {
        "url": host.url,
        "group": GROUP,
        "id": "host-a",
        "since": "2026-11-29T02:00:00Z",
        "reason": "kernel",
        "kept": "cron.service failed",
        "run_id": "run-1",
    }
    assert not semaphores.holders()


def test_without_a_slot_nothing_is_sent(host: LockHost, server: LockServer) -> None:
    answer = release(host)

    assert result(answer) == ("not-held", "free", ExitCode.OK)
    assert not server.requests


def test_a_server_that_does_not_answer_is_an_error_and_the_next_job_tries_again(
    host: LockHost, server: LockServer, semaphores: Heathcliff
) -> None:
    host.lock().acquire("kernel")
    host.lock().keep("cron.service failed")
    server.faults = ["unavailable"]
    answer = release(host)

    assert result(answer) == ("not-released", "releasing", ExitCode.FAILED)
    assert answer.error
    host.clock.pass_by(timedelta(minutes=1))
    again = host.lock().release_leftover(reboot_pending=False)
    assert again is not None
    assert again.granted
    assert not semaphores.holders()


def test_a_slot_can_be_forgotten_without_a_call(host: LockHost, server: LockServer) -> None:
    host.lock().acquire("kernel")
    before = len(server.requests)
    answer = release(host, JobOption.FORGET_LOCK)

    assert result(answer) == ("forgotten", "free", ExitCode.OK)
    assert len(server.requests) == before


@pytest.mark.parametrize(
    ("options", "expected", "left"), [((), "released", 0), ((JobOption.FORGET_LOCK,), "forgotten", 1)]
)
def test_a_damaged_record_is_set_aside_once_a_person_decides(
    host: LockHost, semaphores: Heathcliff, options: tuple[JobOption, ...], expected: str, left: int
) -> None:
    host.lock().acquire("kernel")
    path = Path(host.store.path("fleet-lock"))
    path.write_text("{")
    answer = release(host, *options)

    assert result(answer) == (expected, "free", ExitCode.OK)
    assert len(semaphores.holders()) == left
    assert not path.exists()


def test_of_another_machine_only_the_record_is_removed(host: LockHost, semaphores: Heathcliff) -> None:
    host.lock().acquire("kernel")
    host.machine = "copy"

    assert result(release(host)) == ("forgotten", "free", 0)
    assert len(semaphores.holders()) == 1
