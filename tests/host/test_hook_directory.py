"""Hooks of a directory: those before a change up to the first failure, those after it all, within a common limit."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.hooks import POST_UPGRADE, PRE_UPGRADE, HookVerdict
from agent.host import hook_directory
from agent.host.hook_directory import LocalHooks, refused_hooks, run_hooks
from agent.state.process_id import alive_pid, own_process_id, process_id


@pytest.fixture
def hooks(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with a failing, a refused and a succeeding hook before and after an upgrade."""
    monkeypatch.setattr(hook_directory, "DIRECTORY", str(root_directory))
    monkeypatch.setattr(hook_directory, "RUNNING", str(root_directory / "running"))
    for name in (PRE_UPGRADE, POST_UPGRADE):
        (root_directory / name).mkdir()
        add(root_directory / name / "10-fails", "exit 75")
        add(root_directory / name / "20-open", "true", mode=0o777)
        add(root_directory / name / "30-works", f"echo $MAESTRO_HOOK >>{root_directory}/ran")
    return root_directory


def add(path: Path, body: str, mode: int = 0o755) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    return alive_pid(process_id(pid)) is not None


def test_hooks_before_a_change_end_at_the_first_failure(hooks: Path) -> None:
    verdict = LocalHooks().run_hooks(PRE_UPGRADE, {})

    assert verdict == HookVerdict(ran=1, problem="pre-upgrade.d/10-fails: exit code 75", deferred=True)
    assert not (hooks / "ran").exists()


def test_hooks_after_a_change_all_run(hooks: Path) -> None:
    verdict = LocalHooks().run_hooks(POST_UPGRADE, {})

    assert verdict.ran == 2
    assert "post-upgrade.d/10-fails: exit code 75; post-upgrade.d/20-open: not run: " in verdict.problem
    assert (hooks / "ran").read_text() == "post-upgrade\n"


def test_a_hook_that_others_can_change_counts_as_one(hooks: Path) -> None:
    for name in ("10-fails", "30-works"):
        (hooks / PRE_UPGRADE / name).unlink()

    verdict = LocalHooks().run_hooks(PRE_UPGRADE, {})

    assert LocalHooks().has_hooks(PRE_UPGRADE)
    assert (verdict.ran, verdict.deferred) == (0, False)
    assert verdict.problem.startswith("pre-upgrade.d/20-open: not run: ")


def test_a_hook_that_cannot_be_started_leaves_nothing_to_take_back(hooks: Path) -> None:
    (hooks / PRE_UPGRADE / "10-fails").write_text("#!/nonexistent\n")

    verdict = LocalHooks().run_hooks(PRE_UPGRADE, {})

    assert (verdict.ran, verdict.deferred) == (0, False)
    assert verdict.problem.startswith("pre-upgrade.d/10-fails: cannot be run: ")


def test_once_the_common_limit_is_over_no_hook_is_started(hooks: Path) -> None:
    verdict = run_hooks(POST_UPGRADE, {}, limit_s=60, total_s=0)

    assert verdict.ran == 0
    assert not (hooks / "ran").exists()


def test_a_hook_whose_job_was_killed_ends_before_those_that_take_back_what_it_does(hooks: Path) -> None:
    for name in (PRE_UPGRADE, POST_UPGRADE):
        for path in (hooks / name).iterdir():
            path.unlink()
    drained = f"touch {hooks}/drained"
    add(hooks / PRE_UPGRADE / "10-drain", f"(sleep 2; {drained}) & echo $! >{hooks}/begun; wait; {drained}")
    add(hooks / POST_UPGRADE / "10-drain", f"rm -f {hooks}/drained")
    job = os.fork()
    if job == 0:
        LocalHooks().run_hooks(PRE_UPGRADE, {})
        os._exit(0)
    wait_for(lambda: all((hooks / name).exists() and (hooks / name).read_text() for name in ("begun", "running")))
    os.kill(job, signal.SIGKILL)
    os.waitpid(job, 0)

    verdict = LocalHooks().run_hooks(POST_UPGRADE, {})
    wait_for(lambda: not is_alive(int((hooks / "begun").read_text())))

    assert (verdict.problem, (hooks / "drained").exists()) == ("", False)


def test_the_hook_of_a_job_that_runs_is_left_alone(hooks: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        (hooks / "running").write_text(f"{process_id(process.pid)}\n{own_process_id()}\n")

        LocalHooks().run_hooks(POST_UPGRADE, {})

        left = process.poll()
        process.kill()

    assert left is None


def test_hooks_that_would_be_refused_are_known_in_advance(hooks: Path) -> None:
    found = refused_hooks()

    assert [line.partition(" is not run: ")[0] for line in found] == [
        str(hooks / name / "20-open") for name in (POST_UPGRADE, PRE_UPGRADE)
    ]


def test_without_a_directory_none_is_refused(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_directory, "DIRECTORY", str(root_directory / "missing"))

    assert refused_hooks() == []


@pytest.mark.parametrize("present", [True, False])
def test_a_directory_without_hooks_has_none(hooks: Path, *, present: bool) -> None:
    if present:
        (hooks / "pre-empty.d").mkdir()
        add(hooks / "pre-empty.d" / "10-disabled", "true", mode=0o644)

    assert not LocalHooks().has_hooks("pre-empty.d")
    assert LocalHooks().run_hooks("pre-empty.d", {}) == HookVerdict()
