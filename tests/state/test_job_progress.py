"""The progress file: what followers read while a job runs, after it ended, and after it was killed."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import pytest

from agent.errors import RecordError
from agent.state import job_progress
from agent.state.job_progress import ProgressReader, ProgressWriter, last_message, progress_path
from agent.state.safe_open import open_new
from tests.conftest import CHECKOUT

STARTED = datetime(2026, 11, 28, 19, 46, tzinfo=timezone.utc)


def writer(directory: Path) -> ProgressWriter:
    return ProgressWriter(str(directory), job="upgrade", run="R", requested_by="root", started_at=STARTED)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[[], ProgressReader]]:
    with ExitStack() as opened:
        yield lambda: opened.enter_context(ProgressReader(str(tmp_path)))


def messages(reader: ProgressReader) -> list[Mapping[str, object]]:
    return [{key: value for key, value in line.raw.items() if key != "at"} for line in reader.lines()]


def test_a_reader_sees_the_header_and_each_line_once(tmp_path: Path, reader: Callable[[], ProgressReader]) -> None:
    writing = writer(tmp_path)
    reading = reader()

    writing.step("fetching the package lists")
    first = messages(reading)
    writing.progress(" 45 % unpacking nginx (3 of 11)")
    second = messages(reading)

    assert (reading.job, reading.run, reading.started_at, reading.pid) == ("upgrade", "R", STARTED, os.getpid())
    assert first == [{"step": "fetching the package lists"}]
    assert second == [{"progress": " 45 % unpacking nginx (3 of 11)"}]
    assert messages(reading) == []


def test_a_step_is_not_repeated_as_progress(tmp_path: Path, reader: Callable[[], ProgressReader]) -> None:
    writing = writer(tmp_path)

    writing.step("downloading")
    writing.progress("downloading")
    writing.progress("")

    assert messages(reader()) == [{"step": "downloading"}]


def test_a_reader_that_has_it_open_sees_the_end_although_the_file_is_gone(
    tmp_path: Path, reader: Callable[[], ProgressReader]
) -> None:
    writing = writer(tmp_path)
    reading = reader()

    writing.end(10, "")

    assert not Path(progress_path(str(tmp_path))).exists()
    assert messages(reading) == [{"exit_code": 10, "error": ""}]


def test_a_long_job_stays_within_its_bound_and_loses_no_reader(
    tmp_path: Path, reader: Callable[[], ProgressReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_progress, "_MAX_BYTES", 2000)
    writing = writer(tmp_path)
    reading = reader()
    seen: list[object] = []

    for number in range(200):
        writing.step(f"unpacking {number}")
        seen += [line["step"] for line in messages(reading)]
    writing.end(0)

    assert seen == [f"unpacking {number}" for number in range(200)]
    assert messages(reading) == [{"exit_code": 0, "error": ""}]


def test_a_reader_is_sent_to_the_next_file_only_once_that_is_there(
    tmp_path: Path, reader: Callable[[], ProgressReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_progress, "_MAX_BYTES", 200)
    writing = writer(tmp_path)
    reading, seen = reader(), list[object]()

    def read_then_create(path: str, flags: int) -> int:
        seen.extend(messages(reading))  # while there is no next file
        return open_new(path, flags)

    monkeypatch.setattr(job_progress, "open_new", read_then_create)
    for number in range(10):
        writing.step(str(number))
    seen += messages(reading)

    assert seen == [{"step": str(number)} for number in range(10)]


def test_a_reader_that_comes_late_sees_what_is_left_of_a_long_job(
    tmp_path: Path, reader: Callable[[], ProgressReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_progress, "_MAX_BYTES", 2000)
    writing = writer(tmp_path)
    for number in range(200):
        writing.step(f"unpacking {number}")

    assert messages(reader())[-1] == {"step": "unpacking 199"}
    assert Path(progress_path(str(tmp_path))).stat().st_size < 3000
    assert last_message(str(tmp_path), os.getpid()) == "unpacking 199"


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        writer(tmp_path)
    finally:
        os.umask(before)

    assert Path(progress_path(str(tmp_path))).stat().st_mode & 0o777 == 0o644


def test_no_link_in_its_place_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    Path(progress_path(str(tmp_path))).symlink_to(victim)

    writer(tmp_path).step("x")

    assert victim.read_text() == "kept"


@pytest.mark.parametrize("place", ["missing", "full", "directory"])
def test_a_job_goes_on_where_it_cannot_be_written(place: str, tmp_path: Path) -> None:
    directory = tmp_path / "missing" if place == "missing" else tmp_path
    if place == "full":
        Path(progress_path(str(tmp_path))).symlink_to("/dev/full")
    if place == "directory":
        Path(progress_path(str(tmp_path)), "x").mkdir(parents=True)

    writing = writer(directory)
    writing.step("x")
    writing.end(0)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]\n", "null\n", '{"schema": 1}\n', "\xff\n", "[" * 5000 + "\n", '{"process": "1 2 3"}\n'],
    ids=range(8),
)
def test_a_damaged_file_says_nothing_and_raises_nothing_else(content: str, tmp_path: Path) -> None:
    Path(progress_path(str(tmp_path))).write_text(content)

    assert last_message(str(tmp_path), os.getpid()) == ""
    with pytest.raises(RecordError):
        ProgressReader(str(tmp_path))


def test_a_malformed_line_is_skipped(tmp_path: Path, reader: Callable[[], ProgressReader]) -> None:
    writing = writer(tmp_path)
    with open(progress_path(str(tmp_path)), "a") as file:
        file.write('garbage\n[]\n{"step": 5}\n')
    writing.step("good")

    assert {"step": "good"} in messages(reader())
    assert last_message(str(tmp_path), os.getpid()) == "good"


def test_a_killed_job_leaves_its_lines_without_an_end(tmp_path: Path, reader: Callable[[], ProgressReader]) -> None:
    source = f"""
import os, signal
from tests.state.test_job_progress import writer
from pathlib import Path
writer(Path({str(tmp_path)!r})).step("unpacking nginx")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run(["/usr/bin/python3", "-c", source], cwd=CHECKOUT, check=False)

    reading = reader()

    assert reading.pid is None
    assert messages(reading) == [{"step": "unpacking nginx"}]
    assert last_message(str(tmp_path), os.getpid()) == ""


def test_a_reader_finds_no_more_lines_where_the_continued_file_is_gone(
    tmp_path: Path, reader: Callable[[], ProgressReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_progress, "_MAX_BYTES", 200)
    writing = writer(tmp_path)
    reading = reader()
    for number in range(5):
        writing.step(f"unpacking {number}")
    writing.end(0)

    assert messages(reading)[0] == {"step": "unpacking 0"}
    assert messages(reading) == []
