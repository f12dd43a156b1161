"""The daemon's status file, as any user reads it; notifications to systemd; whether cloud-init runs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import HostError, RecordError
from agent.host.machine import cloud_init
from agent.host.sd_notify import notify, watchdog_s
from agent.state.daemon_status import DaemonStatusFile, read_daemon_status
from agent.state.timestamps import utc_now
from tests.core import given

NOW = given.NOW


def test_no_status_file_means_no_daemon(tmp_path: Path) -> None:
    assert read_daemon_status(str(tmp_path)) is None


def test_a_running_daemons_status_can_be_read(tmp_path: Path) -> None:
    status_file = DaemonStatusFile(str(tmp_path), NOW)
    status_file.acquire()
    status_file.publish(
        NOW + timedelta(minutes=1), {"check": NOW}, "waiting", ["no worker"], next_look_at=NOW, upgrades=True
    )

    found = read_daemon_status(str(tmp_path))

    assert found is not None
    pid, status = found
    assert pid == os.getpid()
    assert status.time("started_at") == NOW
    assert status.time("seen_at") == NOW + timedelta(minutes=1)
    assert status.time("next_look_at") == NOW
    assert (status.text("doing"), status.texts("problems")) == ("waiting", ["no worker"])
    assert status.child("next").time("check") == NOW


def test_the_next_look_is_said_by_the_monotonic_clock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status_file = DaemonStatusFile(str(tmp_path), NOW)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    status_file.publish(NOW, {}, "waiting", [], next_look_at=NOW + timedelta(minutes=5), upgrades=True)

    found = read_daemon_status(str(tmp_path))

    assert found is not None
    assert found[1].number("next_look_monotonic_s") == 1300


def test_a_very_long_problem_is_cut(tmp_path: Path) -> None:
    status_file = DaemonStatusFile(str(tmp_path), NOW)
    status_file.publish(
        NOW,
        {},
        "waiting",
        ["the new configuration is wrong: " + "ä" * 100_000, "no worker"],
        next_look_at=NOW,
        upgrades=True,
    )

    found = read_daemon_status(str(tmp_path))

    assert found is not None
    wrong, other = found[1].texts("problems")
    assert wrong.startswith("the new configuration is wrong: ä")
    assert other == "no worker"


def test_a_daemon_that_released_its_lock_is_not_alive_and_another_may_start(tmp_path: Path) -> None:
    first = DaemonStatusFile(str(tmp_path), NOW)
    first.acquire()
    first.publish(NOW, {}, "", [], next_look_at=NOW, upgrades=True)

    first.release()

    assert read_daemon_status(str(tmp_path)) is None
    DaemonStatusFile(str(tmp_path), NOW).acquire()


def test_the_status_file_of_a_killed_daemon_is_ignored(tmp_path: Path) -> None:
    status_file = DaemonStatusFile(str(tmp_path), NOW)
    status_file.publish(NOW, {}, "waiting", [], next_look_at=NOW, upgrades=True)
    path = tmp_path / "daemon.json"
    path.write_text(path.read_text().replace(f'"{os.getpid()} ', '"4194304 '))

    assert read_daemon_status(str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"process": 1}'])
def test_an_unreadable_status_file_is_an_error_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "daemon.json").write_text(text)

    with pytest.raises(RecordError, match=r"daemon\.json"):
        read_daemon_status(str(tmp_path))


def test_a_run_directory_that_cannot_be_created_is_a_host_error() -> None:
    with pytest.raises(HostError, match="/proc/nowhere: cannot be created"):
        DaemonStatusFile("/proc/nowhere", NOW).acquire()


def link(path: Path) -> None:
    path.symlink_to("/proc/1/mem")


def full_directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").symlink_to("/")


def closed_file(path: Path) -> None:
    path.touch(0o000)


def closed_directory(path: Path) -> None:
    full_directory(path)
    path.chmod(0o500)


def deep_directory(path: Path) -> None:
    path.mkdir()
    inside = os.open(path, os.O_RDONLY)
    for _ in range(sys.getrecursionlimit()):
        os.mkdir("d", dir_fd=inside)
        above, inside = inside, os.open("d", os.O_RDONLY, dir_fd=inside)
        os.close(above)
    os.close(inside)


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path], check=True)  # Python and pytest cannot remove a directory that is so deep


@pytest.mark.parametrize("name", ["daemon.lock", "daemon.json", "daemon.json.new", "exporter-otlp.json"])
@pytest.mark.parametrize("plant", [link, full_directory, closed_directory, deep_directory, closed_file, os.mkfifo])
def test_a_daemon_starts_whatever_was_planted_in_its_directory(
    plant: Callable[[Path], None], name: str, run_dir: Path
) -> None:
    kept = run_dir / "exporter-endpoint.json"
    kept.write_text("{}")
    plant(run_dir / name)
    status_file = DaemonStatusFile(str(run_dir), NOW)

    status_file.acquire()
    status_file.publish(NOW, {}, "waiting", [], next_look_at=NOW, upgrades=True)

    assert read_daemon_status(str(run_dir)) is not None
    assert kept.read_text() == "{}"
    assert not (run_dir / name).is_symlink()
    assert (run_dir / name).is_file() or not (run_dir / name).exists()
    assert {path.stat().st_mode & 0o777 for path in run_dir.glob("daemon.lock")} == {0o600}


@pytest.mark.parametrize("name", ["outbox", "daemon.old", "exporter-endpoint.json.d", "state.json"])
def test_a_daemon_that_starts_removes_nothing_but_what_stands_in_its_way(name: str, tmp_path: Path) -> None:
    full_directory(tmp_path / name)

    DaemonStatusFile(str(tmp_path), NOW).acquire()

    assert (tmp_path / name / "inside").is_symlink()


def test_each_assignment_to_systemd_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        notify("READY=1", "STATUS=a\nMAINPID=1")

        assert server.recv(100) == b"READY=1\nSTATUS=a MAINPID=1"


def test_without_systemd_a_notification_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "missing"))
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
def test_the_watchdog_timeout_is_used_if_it_is_for_this_process(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)

    assert watchdog_s() == expected


def test_cloud_init_runs_from_its_first_status_to_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, result = tmp_path / "status.json", tmp_path / "result.json"
    monkeypatch.setattr(cloud_init, "_STATUS", str(status))
    monkeypatch.setattr(cloud_init, "_RESULT", str(result))
    monkeypatch.setattr(cloud_init, "booted_at", lambda: utc_now() - timedelta(hours=2))

    before = cloud_init.is_cloud_init_running()
    status.write_text("{}")
    during = cloud_init.is_cloud_init_running()
    silent_s = time.time() - 5400
    os.utime(status, (silent_s, silent_s))
    silent = cloud_init.is_cloud_init_running()
    status.write_text("{ }")
    result.write_text("{}")
    after = cloud_init.is_cloud_init_running()

    assert (before, during, silent, after) == (False, True, False, False)


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(days=-60)], ids=["clock-set-back", "clock-set-ahead"])
@pytest.mark.parametrize(("up", "runs"), [(timedelta(minutes=5), True), (timedelta(hours=2), False)])
def test_cloud_init_is_waited_for_although_the_clock_was_set_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta, up: timedelta, *, runs: bool
) -> None:
    status, written_s = tmp_path / "status.json", (utc_now() + ahead).timestamp()
    status.write_text("{}")
    os.utime(status, (written_s, written_s))
    monkeypatch.setattr(cloud_init, "_STATUS", str(status))
    monkeypatch.setattr(cloud_init, "_RESULT", str(tmp_path / "result.json"))
    monkeypatch.setattr(cloud_init, "booted_at", lambda: utc_now() - up)

    assert cloud_init.is_cloud_init_running() is runs
