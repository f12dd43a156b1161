"""The file for node_exporter: always complete, world-readable, and a clear error where it cannot be written."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.errors import HostError
from agent.report.prometheus.textfile import write_metrics
from tests.conftest import CHECKOUT

AS_NOBODY = (
    f"import os, sys; sys.path.insert(0, {str(CHECKOUT)!r}); "
    "from agent.report.prometheus.textfile import write_metrics\n"
    "os.setgid(65534); os.setuid(65534)\ntry: write_metrics('{}', 'b 2')\nexcept Exception as e: print(e)"
)


def test_file_is_world_readable_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_metrics(str(tmp_path / "maestro.prom"), "maestro_reboot_required 1\n")
    finally:
        os.umask(before)

    assert (tmp_path / "maestro.prom").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "maestro.prom").read_text() == "maestro_reboot_required 1\n"


def test_no_other_file_is_left_or_ends_in_prom(tmp_path: Path) -> None:
    for number in (os.getpid(), 1):
        left = tmp_path / f"maestro.prom.{number}.tmp"
        left.write_text("left by one that was killed")
        os.utime(left, (0, 0))

    write_metrics(str(tmp_path / "maestro.prom"), "a 1\n")

    assert [entry.name for entry in tmp_path.iterdir()] == ["maestro.prom"]


def test_what_is_given_up_before_it_is_complete_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "maestro.prom"
    write_metrics(str(path), "a 1\n")
    complete: list[str] = []

    def is_wanted() -> bool:
        complete.extend(entry.read_text() for entry in tmp_path.glob("*.tmp"))
        return False

    write_metrics(str(path), "a 2\n", is_wanted)

    assert complete == ["a 2\n"]
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("maestro.prom", "a 1\n")]


def test_reader_sees_the_old_or_the_new_content(tmp_path: Path) -> None:
    path, contents = tmp_path / "maestro.prom", {letter * 200_000 + "\n" for letter in "ab"}
    write_metrics(str(path), "a" * 200_000 + "\n")
    seen: set[str] = set()
    begun, done = threading.Event(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(60)
    for _ in range(20):
        for content in sorted(contents):
            write_metrics(str(path), content)
    done.set()
    reader.join()

    assert seen
    assert seen <= contents


def test_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "maestro.prom").symlink_to(victim)
    (tmp_path / f"maestro.prom.{os.getpid()}.tmp").symlink_to(victim)

    write_metrics(str(tmp_path / "maestro.prom"), "a 1\n")

    assert victim.read_text() == "precious"
    assert not (tmp_path / "maestro.prom").is_symlink()


def test_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "maestro.prom"

    with pytest.raises(HostError) as caught:
        write_metrics(str(path), "a 1\n")

    words = f"there is no directory {path.parent} (is prometheus-node-exporter installed?)"
    assert str(caught.value) == f"{path}: the metrics cannot be written: {words}"


def test_directory_in_place_of_the_file_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "maestro.prom").mkdir()

    with pytest.raises(HostError, match="cannot be written: Is a directory"):
        write_metrics(str(tmp_path / "maestro.prom"), "a 1\n")

    assert [entry.name for entry in tmp_path.iterdir()] == ["maestro.prom"]


def test_foreign_directory_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "maestro.prom"
    path.write_text("a 1\n")
    tmp_path.chmod(0o755)
    for directory in tmp_path.parents:
        if directory.stat().st_uid == os.getuid() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o055)

    done = subprocess.run([sys.executable, "-c", AS_NOBODY.format(path)], capture_output=True, text=True, check=True)

    reason = f"the user nobody may not write to {tmp_path}: `chgrp nobody {tmp_path} && chmod 1775 {tmp_path}`"
    assert done.stdout == f"{path}: the metrics cannot be written: {reason}\n"
    assert path.read_text() == "a 1\n"


def test_file_of_another_user_in_a_sticky_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "maestro.prom"
    path.write_text("a 1\n")
    tmp_path.chmod(0o1777)
    for directory in tmp_path.parents:
        if directory.stat().st_uid == os.getuid() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o055)

    done = subprocess.run([sys.executable, "-c", AS_NOBODY.format(path)], capture_output=True, text=True, check=True)

    assert done.stdout == f"{path}: the metrics cannot be written: it belongs to another user: remove it\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["maestro.prom"]


def test_full_disk_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)], check=True)
    try:
        write_metrics(str(small / "maestro.prom"), "a 1\n")
        with pytest.raises(HostError, match="No space left on device"):
            write_metrics(str(small / "maestro.prom"), "b" * 100_000)

        assert {entry.name: entry.read_text() for entry in small.iterdir()} == {"maestro.prom": "a 1\n"}
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_concurrent_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "maestro.prom"
    program = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); "
        "from agent.report.prometheus.textfile import write_metrics\n"
        f"for number in range(200): write_metrics({str(path)!r}, sys.argv[1] * 1000)"
    )

    writers = [subprocess.Popen([sys.executable, "-c", program, letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        with contextlib.suppress(FileNotFoundError):
            seen.add(path.read_text())
    codes = [writer.wait() for writer in writers]

    assert codes == [0, 0]
    assert seen <= {"a" * 1000, "b" * 1000}
    assert path.read_text() in {"a" * 1000, "b" * 1000}
    assert [entry.name for entry in tmp_path.iterdir()] == ["maestro.prom"]
