"""Whether the daemon lives and what it says, read by anybody; what systemd is told; whether a machine is still new."""

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import HostError, RecordError
from agent.host.machine import cloud_init
from agent.host.systemd import notify, watchdog_s
from agent.state.daemon_status import DaemonStatusFile, read_daemon_status
from tests.core import given

NOW = given.NOW


def test_a_daemon_that_never_was_is_not_alive(tmp_path: Path) -> None:
    assert read_daemon_status(str(tmp_path)) is None


def test_what_a_living_daemon_says_can_be_read(tmp_path: Path) -> None:
    liveness = DaemonStatusFile(str(tmp_path), NOW)
    liveness.acquire()
    liveness.publish(NOW + timedelta(minutes=1), {"check": NOW}, "waiting", ["no worker"])

    found = read_daemon_status(str(tmp_path))

    assert found is not None
    pid, said = found
    assert pid == os.getpid()
    assert said.time("started_at") == NOW
    assert said.time("seen_at") == NOW + timedelta(minutes=1)
    assert (said.text("doing"), said.texts("problems")) == ("waiting", ["no worker"])
    assert said.child("next").time("check") == NOW


def test_a_problem_of_a_thousand_lines_leaves_the_word_readable(tmp_path: Path) -> None:
    liveness = DaemonStatusFile(str(tmp_path), NOW)
    liveness.publish(NOW, {}, "waiting", ["the new configuration is wrong: " + "ä" * 100_000, "no worker"])

    found = read_daemon_status(str(tmp_path))

    assert found is not None
    wrong, other = found[1].texts("problems")
    assert wrong.startswith("the new configuration is wrong: ä")
    assert other == "no worker"


def test_a_daemon_that_gave_up_is_not_alive_and_another_may_be(tmp_path: Path) -> None:
    first = DaemonStatusFile(str(tmp_path), NOW)
    first.acquire()
    first.publish(NOW, {}, "", [])

    first.release()

    assert read_daemon_status(str(tmp_path)) is None
    DaemonStatusFile(str(tmp_path), NOW).acquire()


def test_the_word_of_a_daemon_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    liveness = DaemonStatusFile(str(tmp_path), NOW)
    liveness.publish(NOW, {}, "waiting", [])
    path = tmp_path / "daemon.json"
    path.write_text(path.read_text().replace(f'"{os.getpid()} ', '"4194304 '))

    assert read_daemon_status(str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"process": 1}'])
def test_a_word_that_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "daemon.json").write_text(text)

    with pytest.raises(RecordError, match=r"daemon\.json"):
        read_daemon_status(str(tmp_path))


def test_a_place_that_cannot_be_written_is_an_error_of_the_machine() -> None:
    with pytest.raises(HostError, match="cannot be opened"):
        DaemonStatusFile("/proc/nowhere", NOW).acquire()


def test_systemd_is_told_each_assignment_on_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        notify("READY=1", "STATUS=a\nMAINPID=1")

        assert listener.recv(100) == b"READY=1\nSTATUS=a MAINPID=1"


def test_where_no_systemd_listens_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("60000000", "", 60.0),
        ("60000000", "ours", 60.0),
        ("60000000", "1", None),
        ("", "", None),
        ("x", "", None),
    ],
)
def test_the_watchdog_is_fed_where_it_watches_this_very_process(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)

    assert watchdog_s() == expected


def test_cloud_init_runs_from_its_first_word_to_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, result = tmp_path / "status.json", tmp_path / "result.json"
    monkeypatch.setattr(cloud_init, "_STATUS", str(status))
    monkeypatch.setattr(cloud_init, "_RESULT", str(result))

    before = cloud_init.is_cloud_init_running()
    status.write_text("{}")
    during = cloud_init.is_cloud_init_running()
    os.utime(status, (0, 0))
    silent = cloud_init.is_cloud_init_running()
    status.write_text("{ }")
    result.write_text("{}")
    after = cloud_init.is_cloud_init_running()

    assert (before, during, silent, after) == (False, True, False, False)
