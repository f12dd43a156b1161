"""Hooks of a directory: those before a change up to the first failure, those after it all, within a common limit."""

from pathlib import Path

import pytest

from agent.core.hooks import POST_UPGRADE, PRE_UPGRADE, HookVerdict
from agent.host import hook_directory
from agent.host.hook_directory import LocalHooks, refused_hooks, run_hooks


@pytest.fixture
def hooks(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with a failing, a refused and a succeeding hook before and after an upgrade."""
    monkeypatch.setattr(hook_directory, "DIRECTORY", str(root_directory))
    for name in (PRE_UPGRADE, POST_UPGRADE):
        (root_directory / name).mkdir()
        add(root_directory / name / "10-fails", "exit 75")
        add(root_directory / name / "20-open", "true", mode=0o777)
        add(root_directory / name / "30-works", f"echo $MAESTRO_HOOK >>{root_directory}/ran")
    return root_directory


def add(path: Path, body: str, mode: int = 0o755) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)


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


def test_once_the_common_limit_is_over_no_hook_is_started(hooks: Path) -> None:
    verdict = run_hooks(POST_UPGRADE, {}, limit_s=60, total_s=0)

    assert verdict.ran == 0
    assert not (hooks / "ran").exists()


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
