"""Hooks are chosen by the rules of run-parts(8), and none can block, flood or outlive the job."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.host.process.file_trust import distrust
from agent.host.process.hooks import find_hooks, run_hook
from agent.host.process.peer import uid_of
from tests.conftest import CHECKOUT

OF_THE_CONTRACT = {"PATH", "LC_ALL", "HOME", "MAESTRO_HOOK"}
OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}


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


def test_a_hook_of_root_alone_is_found_by_every_user() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        hook(Path(directory), "a", "true", 0o700)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os._exit(len(find_hooks(directory)))

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


NOEXEC = """
import sys
from agent.host.process.hooks import find_hooks, run_hook
(path,) = find_hooks(sys.argv[1])
print(run_hook(path, {}, user=None, limit_s=5).problem)
"""


def test_a_hook_that_its_file_system_forbids_to_run_is_not_left_out_but_fails(root_directory: Path) -> None:
    mount = 'mount -t tmpfs -o noexec,mode=755 none "$1" && echo "#!/bin/sh" >"$1/a" && chmod 755 "$1/a"'
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$2" -c "$3" "$1"', "sh"]

    done = subprocess.run(
        [*command, root_directory, sys.executable, NOEXEC], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )

    assert done.stdout.startswith("cannot be run: ")


def test_a_hook_gets_the_document_and_its_output_is_kept(root_directory: Path) -> None:
    path = hook(root_directory, "a", "cat; echo problem >&2")

    done = run_hook(path, {"summary": "ü"}, user=None, limit_s=10)

    assert (done.problem, done.output) == ("", '{"summary": "\\u00fc"}\nproblem')


@pytest.mark.parametrize(
    ("body", "limit_s", "problem"),
    [
        ("exit 3", 60, "exit code 3"),
        ("kill -KILL $$", 60, "killed by signal 9"),
        ("sleep 60", 1, "killed after 1 s"),
        ("trap '' TERM; while :; do :; done", 1, "killed after 1 s"),
        ("exec >&- 2>&-; sleep 60", 1, "killed after 1 s"),
        ("exec <&-; exit 0", 60, ""),
        ("yes | head -c 10000000", 60, ""),
    ],
)
def test_however_a_hook_behaves_it_ends(body: str, limit_s: int, problem: str, root_directory: Path) -> None:
    done = run_hook(hook(root_directory, "a", body), {"text": "x" * 1_000_000}, user=None, limit_s=limit_s)

    assert done.problem == problem
    assert len(done.output) <= 4096


@pytest.mark.parametrize("content", ["", "not a program", "#!/nonexistent\n"])
def test_a_file_that_cannot_be_run_is_a_failure(content: str, root_directory: Path) -> None:
    path = root_directory / "a"
    path.write_text(content)
    path.chmod(0o755)

    assert run_hook(str(path), {}, user=None, limit_s=5).problem.startswith("cannot be run: ")


def test_nothing_that_a_hook_starts_outlives_it(root_directory: Path) -> None:
    path = hook(root_directory, "a", f"sleep 600 & echo $! > {root_directory}/pid")

    done = run_hook(path, {}, user=None, limit_s=60)
    pid = int((root_directory / "pid").read_text())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)

    assert done.problem == ""
    assert not os.path.exists(f"/proc/{pid}") or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_a_hook_has_the_rights_of_its_user_and_no_other() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own is closed to other users
        Path(directory).chmod(0o755)
        path = hook(Path(directory), "a", "id -u; id -G; pwd; env")

        done = run_hook(path, {}, user="nobody", limit_s=10, variables={"MAESTRO_HOOK": "notify"})

    uid, groups, place, *environment = done.output.splitlines()
    assert int(uid) == uid_of("nobody")
    assert "0" not in groups.split()
    assert place == "/"
    assert {line.partition("=")[0] for line in environment} <= OF_THE_CONTRACT | OF_THE_SHELL


def test_a_hook_can_open_its_standard_input_whoever_it_runs_as() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = hook(Path(directory), "a", "cat /dev/stdin")

        done = run_hook(path, {"a": 1}, user="nobody", limit_s=10)

    assert (done.problem, done.output) == ("", '{"a": 1}')


def test_a_hook_runs_where_no_file_can_be_written(root_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    done = run_hook(hook(root_directory, "a", "cat"), {"a": 1}, user=None, limit_s=10)

    assert done.output == '{"a": 1}'


def test_a_user_that_does_not_exist_is_a_failure(root_directory: Path) -> None:
    assert run_hook(hook(root_directory, "a", "true"), {}, user="nosuchuser", limit_s=5).problem.startswith(
        "cannot be run"
    )


def give_away(root: Path) -> None:
    os.chown(root / "hooks" / "a", 65534, 0)


def give_directory_away(root: Path) -> None:
    os.chown(root / "hooks", 65534, 0)


def open_to_the_group(root: Path) -> None:
    (root / "hooks" / "a").chmod(0o775)


def open_to_others(root: Path) -> None:
    (root / "hooks" / "a").chmod(0o757)


def open_a_directory_above(root: Path) -> None:
    root.chmod(0o777)


def open_with_sticky_bit(root: Path) -> None:
    (root / "hooks").chmod(0o1777)


def link_to_a_directory_of_others(root: Path) -> None:
    other = root / "other"
    other.mkdir()
    (root / "hooks" / "a").rename(other / "a")
    (root / "hooks" / "a").symlink_to("../other/a")
    os.chown(other, 65534, 0)


def link_through_a_directory_of_others(root: Path) -> None:
    others = root / "other"
    others.mkdir()
    (others / "link").symlink_to(root / "hooks")
    os.chown(others, 65534, 0)
    (root / "hooks" / "a").rename(root / "hooks" / "b")
    (root / "hooks" / "a").symlink_to(others / "link" / "b")


def open_by_access_list(root: Path) -> None:
    named_user = b"\x02\0\0\0" + b"".join(
        tag + permissions + who
        for tag, permissions, who in [
            (b"\x01\0", b"\x07\0", b"\xff\xff\xff\xff"),  # the owner: rwx
            (b"\x02\0", b"\x06\0", b"\xfe\xff\0\0"),  # nobody: rw
            (b"\x04\0", b"\x04\0", b"\xff\xff\xff\xff"),  # the group: r
            (b"\x10\0", b"\x07\0", b"\xff\xff\xff\xff"),  # the mask: rwx
            (b"\x20\0", b"\x04\0", b"\xff\xff\xff\xff"),  # others: r
        ]
    )
    try:
        os.setxattr(root / "hooks" / "a", "system.posix_acl_access", named_user)
    except OSError:
        pytest.skip("the file system has no access control lists")


@pytest.mark.parametrize(
    "change",
    [
        give_away,
        give_directory_away,
        open_to_the_group,
        open_to_others,
        open_a_directory_above,
        open_with_sticky_bit,
        link_to_a_directory_of_others,
        link_through_a_directory_of_others,
        open_by_access_list,
    ],
    ids=lambda change: change.__name__,
)
def test_what_others_can_change_is_not_run_as_root(change: Callable[[Path], None], root_directory: Path) -> None:
    root_directory.chmod(0o755)
    (root_directory / "hooks").mkdir()
    path = hook(root_directory / "hooks", "a", f"touch {root_directory}/ran")
    accepted = distrust(path)
    change(root_directory)

    done = run_hook(path, {}, user=None, limit_s=10)

    assert accepted == ""
    assert done.problem.startswith("not run: ")
    assert not done.started
    assert not (root_directory / "ran").exists()


def test_a_link_to_a_program_that_only_root_can_change_is_run(root_directory: Path) -> None:
    (root_directory / "hooks").mkdir()
    (root_directory / "hooks" / "a").symlink_to("/bin/true")

    assert run_hook(str(root_directory / "hooks" / "a"), {}, user=None, limit_s=10).problem == ""


@pytest.mark.parametrize(
    ("target", "problem"), [("a", "too many"), ("/run", "not a regular file"), ("/no/a", "No such")]
)
def test_what_is_no_file_is_not_run(target: str, problem: str, root_directory: Path) -> None:
    (root_directory / "a").symlink_to(target)

    assert problem in distrust(str(root_directory / "a"))
