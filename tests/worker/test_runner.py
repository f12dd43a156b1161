"""A job that needs root holds the job lock and is recorded; its answer says so."""

import importlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from types import ModuleType

import pytest

from agent.core.job_control import JobControl
from agent.core.job_kinds import JobKind, JobOption
from agent.errors import BusyError, HostError, PlanChangedError, PrivilegeError
from agent.state.job_lock import job_lock
from agent.state.job_status import read_job_status
from agent.state.store import Store
from agent.worker import runner
from agent.worker.context import JobContext
from agent.worker.line_sender import LineSender
from agent.worker.protocol import JobAnswer, JobRequest
from agent.worker.runner import JobFunction, job_function, run_in_process
from tests.conftest import CHECKOUT

CONTROL = JobControl(progress=lambda _message: None)


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., JobRequest]:
    config = tmp_path / "config.toml"
    config.write_text("")

    def build(kind: JobKind, *, refresh: bool = True) -> JobRequest:
        return JobRequest(
            kind=kind, refresh=refresh, requested_by="schedule", config=config, state_dir=str(tmp_path / "state")
        )

    return build


@contextmanager
def held_by_another(module: str, lock: str, state_dir: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that holds a lock of `agent.state` in a state directory until it is killed."""
    source = f"""
from agent.state.{module} import {lock}
from agent.state.store import Store
store = Store({state_dir!r})
assert store.writable()
with {lock}(store): print(flush=True); input()
"""
    with subprocess.Popen(["/usr/bin/python3", "-c", source], cwd=CHECKOUT, stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other


def answering(monkeypatch: pytest.MonkeyPatch, answer: JobAnswer | Exception) -> list[JobContext]:
    """Replace every job; return the contexts it is called with."""
    contexts: list[JobContext] = []

    def run(_request: JobRequest, context: JobContext) -> JobAnswer:
        contexts.append(context)
        if isinstance(answer, Exception):
            raise answer
        return answer

    function: JobFunction = run
    monkeypatch.setattr(runner, "job_function", lambda _kind: function)
    return contexts


def test_the_jobs_module_is_imported_before_the_job_lock_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    """The job that holds the lock may upgrade the agent, and so replace the module's file."""
    order: list[str] = []

    def function(kind: JobKind) -> JobFunction:
        order.append("import")
        return job_function(kind)

    def refused(_store: Store) -> None:
        order.append("lock")
        raise BusyError("busy")

    monkeypatch.setattr(runner, "job_function", function)
    monkeypatch.setattr(runner, "job_lock", refused)

    with pytest.raises(BusyError):
        run_in_process(request_for(JobKind.UPGRADE), CONTROL)

    assert order == ["import", "lock"]


def test_the_modules_of_the_job_that_follows_are_imported_before_the_upgrade_may_replace_them(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    order: list[str] = []
    load = importlib.import_module

    def note(name: str) -> ModuleType:
        order.append(name)
        return load(name)

    def refused(_store: Store) -> None:
        order.append("lock")
        raise BusyError("busy")

    monkeypatch.setattr(importlib, "import_module", note)
    monkeypatch.setattr(runner, "job_lock", refused)
    request = replace(request_for(JobKind.UPGRADE), options=frozenset({JobOption.REBOOT_IF_REQUIRED}))

    with pytest.raises(BusyError):
        run_in_process(request, CONTROL)

    assert {JobKind.REBOOT.module, "agent.worker.reboot_acts"} <= set(order[: order.index("lock")])


def recorded(request: JobRequest) -> tuple[float, float] | None:
    """Return exit code and failures of the job's last run."""
    document = read_job_status(Store(request.state_dir))
    entry = document.child("jobs").optional_child(request.kind.value) if document else None
    return (entry.number("exit_code"), entry.number("failures")) if entry else None


def test_a_job_that_needs_root_is_recorded(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    contexts = answering(monkeypatch, JobAnswer(exit_code=10))
    request = request_for(JobKind.UPGRADE)

    answer = run_in_process(request, CONTROL)

    assert answer == JobAnswer(exit_code=10, recorded=True)
    assert recorded(request) == (10, 0)
    assert contexts[0].run_id.startswith("20")


def test_a_job_that_fails_is_recorded_and_answered_with_its_error(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    answering(monkeypatch, HostError("no lists"))
    request = request_for(JobKind.CHECK)

    answer = run_in_process(request, CONTROL)

    assert answer == JobAnswer(exit_code=1, error="no lists", recorded=True)
    assert recorded(request) == (1, 1)


def test_a_bug_in_a_job_is_recorded_as_its_failure(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    answering(monkeypatch, ZeroDivisionError())
    request = request_for(JobKind.CHECK)

    with pytest.raises(ZeroDivisionError):
        run_in_process(request, CONTROL)

    assert recorded(request) == (1, 1)


def test_a_job_that_needs_no_root_is_not_recorded_and_has_no_run_id(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    contexts = answering(monkeypatch, JobAnswer(exit_code=0))
    request = request_for(JobKind.CHECK, refresh=False)

    answer = run_in_process(request, CONTROL)

    assert answer == JobAnswer(exit_code=0, recorded=False)
    assert recorded(request) is None
    assert contexts[0].run_id == ""
    assert not list(Path(request.state_dir).rglob("*.log"))


def test_a_damaged_document_is_a_warning_for_the_person_once(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    def run(_request: JobRequest, context: JobContext) -> JobAnswer:
        context.record.load_refresh()
        context.record.load_refresh()
        return JobAnswer(exit_code=0)

    function: JobFunction = run
    monkeypatch.setattr(runner, "job_function", lambda _kind: function)
    monkeypatch.setattr(Store, "_set_aside", lambda _store, _path: "; root may set it aside")
    request = request_for(JobKind.CHECK, refresh=False)
    Path(request.state_dir).mkdir()
    Path(request.state_dir, "refresh.json").write_text("{")

    (warning,) = run_in_process(request, CONTROL).warnings

    assert warning.startswith(f"{request.state_dir}/refresh.json: is damaged: ")


def test_a_request_is_not_ended_while_the_process_that_carries_it_out_is_between_two_jobs(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    """The job lock is free there, and a daemon that has started again finds the request running."""
    contexts = answering(monkeypatch, JobAnswer(exit_code=0))
    request = request_for(JobKind.RUN_REQUEST)
    with held_by_another("requests_record", "request_lock", request.state_dir) as other:
        with pytest.raises(BusyError, match=f"pid {other.pid}"):
            run_in_process(request, CONTROL)
        run_in_process(request_for(JobKind.UPGRADE), CONTROL)
        other.kill()

    assert len(contexts) == 1
    run_in_process(request, CONTROL)


def test_no_other_job_comes_between_the_beginning_of_a_request_and_its_work(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    """Its window, or its life, could end meanwhile."""
    order: list[str] = []
    follow_ups = {JobKind.RUN_REQUEST: request_for(JobKind.UPGRADE), JobKind.UPGRADE: request_for(JobKind.REBOOT)}

    @contextmanager
    def noted(store: Store) -> Iterator[None]:
        with job_lock(store):
            order.append("lock")
            yield
        order.append("free")

    def run(request: JobRequest, _context: JobContext) -> JobAnswer:
        order.append(request.kind.value)
        return JobAnswer(exit_code=0, follow_up=follow_ups.get(request.kind))

    monkeypatch.setattr(runner, "job_lock", noted)
    monkeypatch.setattr(runner, "job_function", lambda _kind: run)
    monkeypatch.setattr(runner, "notify_person", lambda _store, job, _run: order.append(f"notified of {job}"))

    run_in_process(request_for(JobKind.RUN_REQUEST), CONTROL)

    assert order == [
        *("lock", "run-request", "upgrade", "free", "notified of upgrade"),
        *("lock", "reboot", "free", "notified of reboot"),
    ]


@pytest.mark.parametrize("remember", [True, False], ids=["server", "image"])
def test_nobody_is_notified_of_an_image(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest], *, remember: bool
) -> None:
    notified: list[str] = []
    answering(monkeypatch, JobAnswer(exit_code=0))
    monkeypatch.setattr(runner, "notify_person", lambda _store, job, _run: notified.append(job))

    run_in_process(replace(request_for(JobKind.PROVISION), remember=remember), CONTROL)

    assert bool(notified) is remember


def test_a_job_does_not_start_while_another_one_runs(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    contexts = answering(monkeypatch, JobAnswer(exit_code=0))
    request = request_for(JobKind.UPGRADE)
    with held_by_another("job_lock", "job_lock", request.state_dir) as other:
        with pytest.raises(BusyError, match=f"pid {other.pid}.*`--wait` waits for it"):
            run_in_process(request, CONTROL)
        other.kill()

    assert contexts == []
    assert recorded(request) is None


def test_without_root_a_job_that_needs_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    contexts = answering(monkeypatch, JobAnswer(exit_code=0))
    monkeypatch.setattr(runner, "is_root", lambda: False)

    with pytest.raises(PrivilegeError, match=r"check needs root .* `--no-refresh` uses the package lists"):
        run_in_process(request_for(JobKind.CHECK), CONTROL)
    with pytest.raises(PrivilegeError, match="upgrade needs root"):
        run_in_process(request_for(JobKind.UPGRADE), CONTROL)

    assert contexts == []


def test_a_refused_request_leaves_the_entry_of_the_attempt_before(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    request = request_for(JobKind.UPGRADE)
    document = Path(request.state_dir, "jobs.json")
    answering(monkeypatch, PlanChangedError("another"))
    first = run_in_process(request, CONTROL)
    assert "upgrade" not in json.loads(document.read_text())["jobs"]
    answering(monkeypatch, JobAnswer(exit_code=10))
    run_in_process(request, CONTROL)
    before = json.loads(document.read_text())["jobs"]
    answering(monkeypatch, PlanChangedError("another"))

    refused = JobAnswer(exit_code=6, error="another", recorded=True, nothing_done=True)
    assert run_in_process(request, CONTROL) == first == refused
    assert json.loads(document.read_text())["jobs"] == before


@pytest.mark.parametrize(("packages", "attempted"), [((), True), (("a",), False)])
def test_a_run_of_some_packages_is_no_attempt_of_the_schedule(
    monkeypatch: pytest.MonkeyPatch,
    request_for: Callable[..., JobRequest],
    packages: tuple[str, ...],
    attempted: bool,  # noqa: FBT001 - one of two cases
) -> None:
    request = replace(request_for(JobKind.UPGRADE), packages=packages, requested_by="ann")
    answering(monkeypatch, JobAnswer(exit_code=0))

    run_in_process(request, CONTROL)

    entry = json.loads(Path(request.state_dir, "jobs.json").read_text())["jobs"]["upgrade"]
    assert (entry["exit_code"], entry["attempted_at"] is not None) == (0, attempted)


@pytest.mark.parametrize(
    ("upgraded", "rebooted", "code"), [(0, 0, 0), (10, 0, 10), (0, 10, 10), (10, 1, 1)], ids=lambda code: str(code)
)
def test_the_answer_has_the_outcome_of_the_job_that_follows_and_the_worse_exit_code(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest], upgraded: int, rebooted: int, code: int
) -> None:
    """Each of both is recorded under its own name."""
    answers = {
        JobKind.UPGRADE: JobAnswer(
            exit_code=upgraded, document={"result": "updated"}, follow_up=request_for(JobKind.REBOOT)
        ),
        JobKind.REBOOT: JobAnswer(exit_code=rebooted, document={"result": "requested"}),
    }
    monkeypatch.setattr(runner, "job_function", lambda kind: lambda _request, _context: answers[kind])

    answer = run_in_process(request_for(JobKind.UPGRADE), CONTROL)

    assert answer.document == {"result": "updated", "reboot_outcome": {"result": "requested"}}
    assert (answer.exit_code, answer.follow_up) == (code, None)
    assert [(recorded(request_for(kind)) or (None,))[0] for kind in answers] == [upgraded, rebooted]


def test_a_following_job_that_cannot_start_does_not_lose_the_answer(
    monkeypatch: pytest.MonkeyPatch, request_for: Callable[..., JobRequest]
) -> None:
    answers: dict[JobKind, JobAnswer] = {
        JobKind.UPGRADE: JobAnswer(exit_code=0, document={"result": "updated"}, follow_up=request_for(JobKind.REBOOT))
    }

    def function(kind: JobKind) -> JobFunction:
        if kind not in answers:
            raise HostError("no module")
        return lambda _request, _context: answers[kind]

    monkeypatch.setattr(runner, "job_function", function)
    answer = run_in_process(request_for(JobKind.UPGRADE), CONTROL)

    assert answer.document == {"result": "updated", "reboot_outcome": None}
    assert (answer.exit_code, answer.error) == (1, "no module")


_SUSPENDED = """
import os, sys
from agent.core.job_kinds import JobKind
from agent.worker import line_sender, runner
from agent.worker.protocol import JobAnswer, JobRequest

job_ended, reading = os.pipe()[::-1]

def job(_request, control):
    for number in range(3000):
        control.progress(f"unpacking package-with-a-long-name-{number}")
    os.write(job_ended, b"x")
    return JobAnswer(exit_code=0, document={"text": "x" * int(sys.argv[1])})

runner.run_in_process = job
line_sender.ANSWER_TIMEOUT_S = float(sys.argv[2])
shown = []

def show(message):  # the command stands still, as after ^Z or ^S, until the job has done its work
    if not shown:
        os.close(job_ended)
        os.read(reading, 1)
        if not line_sender.ANSWER_TIMEOUT_S:
            os.read(reading, 1)  # returns once the job's process has ended
    shown.append(message)

answer = runner.run_forked(JobRequest(kind=JobKind.UPGRADE, state_dir="/nonexistent"), show)
print(answer.exit_code, len((answer.document or {}).get("text", "")), len(shown) < 3000, shown[0])
"""


@pytest.mark.parametrize(
    ("size", "timeout_s", "expected"),
    [(10, 60, "0 10"), (1_000_000, 60, "0 1000000"), (1_000_000, 0, "1 0")],
    ids=["answer fits", "answer waits for the reader", "answer given up"],
)
def test_a_command_that_stands_still_does_not_hold_up_its_job(size: int, timeout_s: int, expected: str) -> None:
    arguments = ["/usr/bin/python3", "-c", _SUSPENDED, str(size), str(timeout_s)]
    done = subprocess.run(arguments, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout == f"{expected} True unpacking package-with-a-long-name-0\n"


def test_a_line_that_was_begun_is_finished_before_the_next_one() -> None:
    reading, writing = os.pipe()
    lines = LineSender(writing)
    long = b"a" * 100_000 + b"\n"
    lines.progress(long)
    lines.progress(b"dropped\n")
    received = os.read(reading, 1_000_000)
    lines.progress(b"kept\n")
    os.close(writing)
    with open(reading, "rb") as rest:
        received += rest.read()

    assert received == long + b"kept\n"


def test_a_peer_that_has_gone_costs_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = LineSender(writing)
    lines.progress(b"a\n")
    lines.answer(b"b\n")
    os.close(writing)
