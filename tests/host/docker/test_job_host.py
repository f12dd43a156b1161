"""Hooks of an upgrade of Docker, and the space that it needs, on this machine."""

from pathlib import Path

import pytest

from agent.core.hooks import HookVerdict
from agent.errors import NoSpaceError
from agent.host import hook_directory
from agent.host.docker.job_host import LocalEngineHost


@pytest.fixture
def hooks(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of the hooks that run before a change of Docker."""
    monkeypatch.setattr(hook_directory, "DIRECTORY", str(root_directory))
    directory = root_directory / "pre-docker.d"
    directory.mkdir()
    return directory


def add(hooks: Path, name: str, script: str) -> None:
    hook = hooks / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def run(tmp_path: Path) -> HookVerdict:
    return LocalEngineHost(str(tmp_path / "kept")).run_hooks("pre-docker.d", {"schema": "maestro.engine-plan/1"})


def test_without_hooks_nothing_is_run(tmp_path: Path) -> None:
    assert LocalEngineHost(str(tmp_path)).run_hooks("no-such.d", {}) == HookVerdict()


def test_hooks_run_in_the_order_of_their_names_with_the_document(hooks: Path, tmp_path: Path) -> None:
    add(hooks, "20-second", f"echo second >> {tmp_path}/ran")
    add(hooks, "10-first", f"cat >> {tmp_path}/ran")
    add(hooks, "30-not.run", f"echo third >> {tmp_path}/ran")

    assert run(tmp_path) == HookVerdict(ran=2)
    assert (tmp_path / "ran").read_text() == '{"schema": "maestro.engine-plan/1"}\nsecond\n'


@pytest.mark.parametrize(("code", "deferred"), [(75, True), (1, False), (76, False)])
def test_the_first_hook_that_fails_ends_them(hooks: Path, tmp_path: Path, code: int, *, deferred: bool) -> None:
    add(hooks, "10-fails", f"echo busy; exit {code}")
    add(hooks, "20-never", f"touch {tmp_path}/ran")

    verdict = run(tmp_path)

    assert (verdict.ran, verdict.deferred) == (1, deferred)
    assert verdict.problem == f"pre-docker.d/10-fails: exit code {code}: busy"
    assert not (tmp_path / "ran").exists()


def test_a_hook_that_is_killed_by_a_signal_of_that_number_does_not_defer(hooks: Path, tmp_path: Path) -> None:
    add(hooks, "10-dies", "kill -TERM $$")

    assert run(tmp_path).deferred is False


def test_space_that_no_disk_has_is_missing(tmp_path: Path) -> None:
    host = LocalEngineHost(str(tmp_path / "kept"))

    host.require_space(download_bytes=1, installed_bytes=-(10**15))
    with pytest.raises(NoSpaceError):
        host.require_space(download_bytes=10**16, installed_bytes=0)
