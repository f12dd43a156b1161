"""A process id string identifies one process, for every user."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from agent.state import process_id
from agent.state.process_id import alive_pid, own_process_id


@pytest.fixture
def other_process() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    source = "from agent.state.process_id import own_process_id; print(own_process_id(), flush=True); input()"
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()
        process.kill()


def test_a_process_finds_itself() -> None:
    assert alive_pid(own_process_id()) == os.getpid()


def test_another_running_process_is_found(other_process: tuple["subprocess.Popen[str]", str]) -> None:
    process, identifier = other_process

    assert alive_pid(identifier) == process.pid


def test_a_zombie_and_an_ended_process_are_not_alive(
    other_process: tuple["subprocess.Popen[str]", str],
) -> None:
    process, identifier = other_process

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert alive_pid(identifier) is None
    process.wait()
    assert alive_pid(identifier) is None


def test_a_reused_pid_is_another_process() -> None:
    assert alive_pid(f"{os.getpid()} 1 {own_process_id().split()[2]}") is None


def test_a_process_of_another_user_is_found(other_process: tuple["subprocess.Popen[str]", str]) -> None:
    process, identifier = other_process
    # Imported before root is given up: another user may not be let into the checkout.
    source = (
        "import os; from agent.state.process_id import alive_pid; os.setgroups([]); "
        f"os.setgid(65534); os.setuid(65534); print(alive_pid({identifier!r}))"
    )

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(process.pid)


def hide_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave like a machine whose /proc shows only one's own processes (hidepid=2)."""
    monkeypatch.setattr(process_id, "_started_ticks", lambda _pid: None)


def test_a_hidden_process_is_found_by_its_pid_in_the_same_boot(
    other_process: tuple["subprocess.Popen[str]", str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, identifier = other_process
    hide_all(monkeypatch)

    assert alive_pid(identifier) == process.pid


def test_a_hidden_process_is_not_one_from_before_a_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, started, booted = own_process_id().split()
    hide_all(monkeypatch)

    assert alive_pid(f"{pid} {started} {int(booted) - 3600}") is None


@pytest.mark.parametrize("text", ["", "x", "-1 5", "0 0 0", "99999999999999999999 1 1", "4194305 7 7", "٣ 1 1", "\x00"])
def test_malformed_text_identifies_no_process(text: str) -> None:
    assert alive_pid(text) is None
