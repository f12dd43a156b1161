"""Waiting for locks that another process holds."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.job_control import JobControl
from agent.errors import BusyError, HostError, StoppedError
from agent.host.locks import LockHolder, LockWaiter, describe, first_holder, locked

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
Hold = Callable[[Path], "subprocess.Popen[str]"]


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Return a function that starts a process which locks a file until its standard input is closed."""
    with ExitStack() as stack:

        def start(path: Path) -> "subprocess.Popen[str]":
            command = [sys.executable, "-c", HOLD, str(path)]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            return process

        yield start


def waiter(seconds: float, control: JobControl) -> LockWaiter:
    return LockWaiter(timedelta(seconds=seconds), control)


def test_a_free_lock_is_taken_at_once_and_released_after_the_block(tmp_path: Path) -> None:
    waiting = waiter(1, JobControl(progress=lambda _: None))

    with locked(str(tmp_path / "new/lock"), waiting):
        held = try_to_lock(tmp_path / "new/lock")
    free = try_to_lock(tmp_path / "new/lock")

    assert (held, free) == (False, True)
    assert (waiting.wait.waited_s, waiting.wait.by) == (0.0, None)


def test_a_lock_is_taken_once_its_holder_releases_it(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / "lock")
    lines: list[str] = []
    beats = 0

    def alive() -> None:
        nonlocal beats
        beats += 1
        if beats == 2:
            assert holder.stdin is not None
            holder.stdin.close()

    waiting = waiter(60, JobControl(progress=lines.append, alive=alive))

    with locked(str(tmp_path / "lock"), waiting):
        pass

    assert [f"pid {holder.pid}," in line for line in lines] == [True], "one line per holder"
    assert waiting.wait.waited_s > 0
    assert f"pid {holder.pid}," in str(waiting.wait.by)
    assert beats >= 2


def test_the_pause_before_a_lock_is_free_counts_as_waited() -> None:
    looks = iter([("lock", LockHolder(pid=1, program="apt-get", since=None)), None])
    waiting = waiter(30, JobControl(progress=lambda _: None))

    waiting.wait_until(lambda: next(looks))

    assert waiting.wait.waited_s >= 0.1
    assert waiting.wait.by == "apt-get (pid 1)"


def test_a_lock_that_stays_held_is_busy_and_names_its_holder(tmp_path: Path, hold: Hold) -> None:
    holder = hold(tmp_path / "lock")

    with pytest.raises(BusyError, match=rf"\(pid {holder.pid}, since .* UTC\) holds {tmp_path}/lock; waited 0 s"):
        waiter(0.2, JobControl(progress=lambda _: None)).wait_until_free((str(tmp_path / "lock"),))


def test_a_stop_ends_the_wait(tmp_path: Path, hold: Hold) -> None:
    hold(tmp_path / "lock")
    started = time.monotonic()

    with pytest.raises(StoppedError, match="asked to: stopped while waiting for "):
        waiter(60, JobControl(progress=lambda _: None, stop=lambda: "asked to")).wait_until_free(
            (str(tmp_path / "lock"),)
        )

    assert time.monotonic() - started < 50


def test_a_lock_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()

    with (
        pytest.raises(HostError, match="cannot be opened to lock it: Is a directory"),
        locked(str(tmp_path / "lock"), waiter(1, JobControl(progress=lambda _: None))),
    ):
        pass


def test_the_first_held_file_is_reported(tmp_path: Path, hold: Hold) -> None:
    free, held, missing = str(tmp_path / "free"), str(tmp_path / "held"), str(tmp_path / "missing")
    Path(free).touch()
    holder = hold(Path(held))

    found = first_holder((free, missing, held))

    assert found is not None
    assert (found[0], found[1].pid) == (held, holder.pid)
    assert first_holder((free, missing)) is None


def test_a_holder_outside_of_this_pid_namespace_is_invisible() -> None:
    assert describe(-1) == LockHolder(pid=-1, program="an invisible process", since=None)


def try_to_lock(path: Path) -> bool:
    """Return whether another process could lock the file."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with closing(open(path, "w")) as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
