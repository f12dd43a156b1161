"""`follow` from another process: it shows a job's lines as they come, and ends with its result and exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent.state.job_progress import ProgressWriter
from agent.state.timestamps import utc_now
from tests.conftest import CHECKOUT


def writer(directory: Path, job: str = "check") -> ProgressWriter:
    return ProgressWriter(str(directory), job=job, run="", requested_by="alice", started_at=utc_now())


def follow(directory: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "agent", "--state-dir", str(directory), "follow", *options],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def test_a_job_is_followed_line_by_line_up_to_its_exit_code(tmp_path: Path) -> None:
    job = writer(tmp_path)
    with follow(tmp_path) as following:
        head = line(following)
        job.progress("downloading 1 of 3")
        job.step("unpacking nginx (1 of 2)")
        first = line(following)
        job.step("unpacking zlib1g (2 of 2)")
        second = line(following)
        job.end(10)
        rest, errors = following.communicate(timeout=60)

    assert head.startswith(f"check (pid {os.getpid()}), started ")
    assert head.endswith(", requested by alice")
    assert (first, second, rest, errors) == ("unpacking nginx (1 of 2)", "unpacking zlib1g (2 of 2)", "", "")
    assert following.returncode == 10


def test_an_error_ends_it_with_the_message_and_the_exit_code(tmp_path: Path) -> None:
    job = writer(tmp_path)
    with follow(tmp_path) as following:
        line(following)
        job.end(5, "apt-get (pid 812) holds the lock")
        _, errors = following.communicate(timeout=60)

    assert errors == "maestro-agent: apt-get (pid 812) holds the lock\n"
    assert following.returncode == 5


def test_json_is_one_document_for_each_line(tmp_path: Path) -> None:
    job = writer(tmp_path)
    with follow(tmp_path, "--json") as following:
        head = json.loads(line(following))
        job.progress("downloading")
        progress = json.loads(line(following))
        job.end(0)
        rest, _ = following.communicate(timeout=60)

    assert (head["schema"], head["job"]) == ("maestro.progress/1", "check")
    assert progress["progress"] == "downloading"
    assert json.loads(rest)["exit_code"] == following.returncode == 0


def test_without_a_job_it_says_so_and_succeeds(tmp_path: Path) -> None:
    with follow(tmp_path) as text, follow(tmp_path, "--json") as as_json:
        said, _ = text.communicate(timeout=60)
        document, _ = as_json.communicate(timeout=60)

    assert said == "No job is running.\n"
    assert json.loads(document)["job"] is None
    assert (text.returncode, as_json.returncode) == (0, 0)


def test_with_wait_it_follows_the_next_job(tmp_path: Path) -> None:
    with follow(tmp_path, "--wait") as following:
        time.sleep(0.5)  # so that it waits; if it is slower, it finds the job at once
        job = writer(tmp_path)
        head = line(following)
        job.end(0)
        following.communicate(timeout=60)

    assert head.startswith("check (pid ")
    assert following.returncode == 0


def test_a_killed_job_ends_it_without_a_result(tmp_path: Path) -> None:
    source = f"""
import time
from pathlib import Path
from tests.cli.test_follow import writer
job = writer(Path({str(tmp_path)!r}), "upgrade")
print(flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", source], cwd=CHECKOUT, stdout=subprocess.PIPE) as job:
        assert job.stdout is not None
        job.stdout.readline()
        with follow(tmp_path) as following:
            line(following)
            job.send_signal(signal.SIGKILL)
            job.wait()
            _, errors = following.communicate(timeout=60)
    with follow(tmp_path) as later:
        said, _ = later.communicate(timeout=60)

    assert "ended without a result" in errors
    assert following.returncode == 1
    assert "ended without a result" in said
    assert later.returncode == 0
