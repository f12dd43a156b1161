"""Hooks are chosen by the rules of run-parts(8), and none can block, flood or outlive the job."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from agent.host.process.hooks import find_hooks, run_hook
from agent.host.process.peer import uid_of


def hook(directory: Path, name: str, body: str, mode: int = 0o755) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)
    return str(path)


def test_the_same_files_are_run_as_by_run_parts(tmp_path: Path) -> None:
    for name in ("10-mail", "B_2", "a", "mail.sh", "x.dpkg-new", "y~", ".hidden", "with space", "ü"):
        hook(tmp_path, name, "true")
    hook(tmp_path, "not-executable", "true", 0o644)
    (tmp_path / "directory").mkdir()
    (tmp_path / "dangling").symlink_to("/nonexistent")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    listed = subprocess.run(["run-parts", "--test", str(tmp_path)], capture_output=True, text=True, check=True)

    assert find_hooks(str(tmp_path)) == listed.stdout.split()
    assert find_hooks(str(tmp_path / "missing")) == []


def test_a_hook_gets_the_document_and_its_output_is_kept(tmp_path: Path) -> None:
    path = hook(tmp_path, "a", "cat; echo problem >&2")

    done = run_hook(path, {"summary": "ü"}, user=None, limit_s=10)

    assert (done.problem, done.output) == ("", '{"summary": "\\u00fc"}\nproblem')


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("exit 3", "exit code 3"),
        ("kill -KILL $$", "killed by signal 9"),
        ("sleep 60", "killed after 1 s"),
        ("trap '' TERM; while :; do :; done", "killed after 1 s"),
        ("exec >&- 2>&-; sleep 60", "killed after 1 s"),
        ("exec <&-; exit 0", ""),
        ("yes | head -c 10000000", ""),
    ],
)
def test_however_a_hook_behaves_it_ends(body: str, problem: str, tmp_path: Path) -> None:
    done = run_hook(hook(tmp_path, "a", body), {"text": "x" * 1_000_000}, user=None, limit_s=1)

    assert done.problem == problem
    assert len(done.output) <= 4096


@pytest.mark.parametrize("content", ["", "not a program", "#!/nonexistent\n"])
def test_a_file_that_cannot_be_run_is_a_failure(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(content)
    path.chmod(0o755)

    assert run_hook(str(path), {}, user=None, limit_s=5).problem.startswith("cannot be run: ")


def test_nothing_that_a_hook_starts_outlives_it(tmp_path: Path) -> None:
    path = hook(tmp_path, "a", f"sleep 600 & echo $! > {tmp_path}/pid")

    done = run_hook(path, {}, user=None, limit_s=60)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)

    assert done.problem == ""
    assert not os.path.exists(f"/proc/{pid}") or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_a_hook_has_the_rights_of_its_user_and_no_other() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own is closed to other users
        Path(directory).chmod(0o755)
        path = hook(Path(directory), "a", "id -u; id -G; pwd; env")

        done = run_hook(path, {}, user="nobody", limit_s=10)

    uid, groups, place, *environment = done.output.splitlines()
    assert int(uid) == uid_of("nobody")
    assert "0" not in groups.split()
    assert place == "/"
    assert {line.partition("=")[0] for line in environment} <= {"PATH", "LC_ALL", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}


def test_a_hook_can_open_its_standard_input_whoever_it_runs_as() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = hook(Path(directory), "a", "cat /dev/stdin")

        done = run_hook(path, {"a": 1}, user="nobody", limit_s=10)

    assert (done.problem, done.output) == ("", '{"a": 1}')


def test_a_hook_runs_where_no_file_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    done = run_hook(hook(tmp_path, "a", "cat"), {"a": 1}, user=None, limit_s=10)

    assert done.output == '{"a": 1}'


def test_a_user_that_does_not_exist_is_a_failure(tmp_path: Path) -> None:
    assert run_hook(hook(tmp_path, "a", "true"), {}, user="nosuchuser", limit_s=5).problem.startswith("cannot be run")
