"""A process that was marked is told from all others, by anybody."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.state import process_id
from agent.state.process_id import alive_pid, own_process_id


@pytest.fixture
def marked() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    source = "from agent.state.process_id import own_process_id; print(own_process_id(), flush=True); input()"
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()
        process.kill()


def test_a_process_knows_itself_by_its_mark() -> None:
    assert alive_pid(own_process_id()) == os.getpid()


def test_a_living_process_is_known_by_its_mark(marked: tuple["subprocess.Popen[str]", str]) -> None:
    process, mark = marked

    assert alive_pid(mark) == process.pid


def test_a_process_that_ended_is_not_taken_to_live_even_while_it_is_listed(
    marked: tuple["subprocess.Popen[str]", str],
) -> None:
    process, mark = marked

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert alive_pid(mark) is None
    process.wait()
    assert alive_pid(mark) is None


def test_another_process_of_the_same_number_is_not_taken_for_it() -> None:
    assert alive_pid(f"{os.getpid()} 1 {own_process_id().split()[2]}") is None


def test_a_process_of_another_user_is_known_by_its_mark(marked: tuple["subprocess.Popen[str]", str]) -> None:
    process, mark = marked
    # Imported before root is given up: another user may not be let into the checkout.
    source = (
        "import os; from agent.state.process_id import alive_pid; os.setgroups([]); "
        f"os.setgid(65534); os.setuid(65534); print(alive_pid({mark!r}))"
    )

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(process.pid)


def hide_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do as a machine does whose /proc shows nobody but oneself (hidepid=2)."""
    monkeypatch.setattr(process_id, "_started_ticks", lambda _pid: None)


def test_a_process_that_cannot_be_seen_is_known_by_its_number_in_the_same_boot(
    marked: tuple["subprocess.Popen[str]", str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, mark = marked
    hide_all(monkeypatch)

    assert alive_pid(mark) == process.pid


def test_a_process_that_cannot_be_seen_is_not_taken_for_one_before_a_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, began, booted = own_process_id().split()
    hide_all(monkeypatch)

    assert alive_pid(f"{pid} {began} {int(booted) - 3600}") is None


@pytest.mark.parametrize("text", ["", "x", "-1 5", "0 0 0", "99999999999999999999 1 1", "4194305 7 7", "٣ 1 1", "\x00"])
def test_what_is_no_mark_marks_nobody(text: str) -> None:
    assert alive_pid(text) is None
