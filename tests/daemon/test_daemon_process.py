"""The daemon as a process: its notifications to systemd, its signals, and clock steps while it runs.

There is no worker: its socket has no server, or the machine has no such socket.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.support.hanging import hanging_directory

CHECKOUT = Path(__file__).resolve().parent.parent.parent
UPGRADE_AT = datetime.now(timezone.utc) + timedelta(hours=12)
GOOD = f'[agent]\nupgrade_at = "{UPGRADE_AT:%H}:00"\nsplay = "2h"\n'
"""No upgrade is due while the tests run."""
WRONG = "[agent]\nupgrade_att = 4\n"


@dataclass
class Running:
    """A running daemon, and its notifications to systemd."""

    process: "subprocess.Popen[str]"
    server: socket.socket
    directory: Path
    messages: list[str] = field(default_factory=list)

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """Return the next notification that contains the text."""
        deadline = time.monotonic() + seconds
        while True:
            self.server.settimeout(max(deadline - time.monotonic(), 0.01))
            message = self.server.recv(65536).decode()
            self.messages.append(message)
            if text in message:
                return message

    @property
    def status(self) -> dict[str, object]:
        document = json.loads((self.directory / "run/daemon.json").read_text())
        assert isinstance(document, dict)
        return document


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("run", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "config.toml").write_text(GOOD)
    return tmp_path


def command(directory: Path) -> list[str]:
    options = ["--config", str(directory / "config.toml"), "--state-dir", str(directory / "state")]
    return ["/usr/bin/python3", "-m", "agent", *options, "run", "--run-dir", str(directory / "run")]


@contextlib.contextmanager
def daemon(directory: Path, *wrapper: str, **environment: str) -> Iterator[Running]:
    """Run a daemon as systemd does, with a watchdog timeout of three seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(directory / "notify"))
        variables = {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "3000000"}
        process = subprocess.Popen(
            [*wrapper, *command(directory)],
            cwd=CHECKOUT,
            env={**os.environ, **variables, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            running = Running(process, server, directory)
            running.wait_for("READY=1")
            running.wait_for("STATUS=")
            yield running
        finally:
            process.kill()
            print(process.communicate()[1])  # pytest shows it where the test fails
            (directory / "notify").unlink()


def test_it_sends_ready_its_status_and_watchdog_keep_alives(directory: Path) -> None:
    with daemon(directory) as running:
        running.wait_for("WATCHDOG=1")

        assert running.messages[0] == "READY=1"
        assert any(
            {"next check", "next upgrade"} == set(re.findall("next [a-z]+(?= 20)", one)) for one in running.messages
        )
        assert running.status["problems"] == []
        assert set(running.status["next"]) == {"check", "upgrade"}  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_on_a_signal_and_removes_its_status_file(directory: Path, number: signal.Signals) -> None:
    with daemon(directory) as running:
        running.process.send_signal(number)

        assert "STOPPING=1" in running.wait_for("STOPPING=1")
        assert running.process.wait(timeout=60) == 0
        assert not (directory / "run/daemon.json").exists()


def test_a_file_system_that_hangs_holds_up_neither_the_watchdog_nor_the_end(directory: Path) -> None:
    (directory / "metrics").mkdir()
    textfile = f'[metrics]\ntextfile = "{directory}/metrics/maestro.prom"\n'
    (directory / "config.toml").write_text(f"{GOOD}{textfile}")
    with hanging_directory(directory / "metrics"), daemon(directory) as running:
        for _ in range(3):
            running.wait_for("WATCHDOG=1")
        running.process.send_signal(signal.SIGTERM)

        assert running.process.wait(timeout=60) == 0
        assert not (directory / "run/exporter-prometheus.json").exists()


def test_a_second_daemon_fails_and_names_the_first(directory: Path) -> None:
    with daemon(directory) as running:
        second = subprocess.run(command(directory), cwd=CHECKOUT, capture_output=True, text=True, check=False)

        assert second.returncode == 5
        assert f"another daemon (pid {running.process.pid})" in second.stderr
        assert running.process.poll() is None


def test_a_wrong_configuration_fails_the_start_with_file_and_key(directory: Path) -> None:
    (directory / "config.toml").write_text(WRONG)

    done = subprocess.run(command(directory), cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 78
    assert "config.toml" in done.stderr
    assert "upgrade_at" in done.stderr


def test_a_reload_applies_a_valid_configuration_and_rejects_a_wrong_one(directory: Path) -> None:
    with daemon(directory) as running:
        (directory / "config.toml").write_text(WRONG)
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("RELOADING=1")
        rejected = running.wait_for("STATUS=")
        problems = running.status["problems"]
        (directory / "config.toml").write_text(GOOD.replace("splay", "upgrade = false\nsplay"))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("RELOADING=1")
        applied = running.wait_for("STATUS=")

        assert "the old one stays" in rejected
        assert "next upgrade" in rejected
        assert "upgrade_at" in str(problems)
        assert "next upgrade" not in applied
        assert running.status["problems"] == []


def looked_at(running: Running) -> int:
    return (running.directory / "run/daemon.json").stat().st_mtime_ns


def wait_for_look(running: Running, since: int) -> None:
    """Wait for a look; the next one by the clock comes later than that, as no check has failed yet."""
    deadline = time.monotonic() + 12
    while looked_at(running) == since:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["state/jobs.json", "config.toml", "config.d/a.toml"])
def test_a_change_of_record_or_configuration_wakes_it(directory: Path, name: str) -> None:
    file = directory / name
    with daemon(directory) as running:
        before = looked_at(running)
        file.parent.mkdir(exist_ok=True)
        file.touch()

        wait_for_look(running, before)
        assert running.process.poll() is None


def test_it_sleeps_until_something_is_due(directory: Path) -> None:
    with daemon(directory) as running:
        due = [str(at) for at in running.status["next"].values()]  # type: ignore[attr-defined]

        assert running.status["next_look_at"] == min(due)


def test_what_changes_in_its_directories_but_does_not_count_does_not_wake_it(directory: Path) -> None:
    with daemon(directory) as running:
        running.wait_for("WATCHDOG=1")  # time stamps of this very moment would not tell
        before = looked_at(running)
        for number in range(100):
            (directory / f"other-{number}").touch()
        running.wait_for("WATCHDOG=1")
        running.wait_for("WATCHDOG=1")

        assert looked_at(running) == before


def test_a_thousand_reload_signals_neither_stop_it_nor_delay_its_watchdog_keep_alives(directory: Path) -> None:
    with daemon(directory) as running:
        for _ in range(1000):
            running.process.send_signal(signal.SIGHUP)
        running.wait_for("WATCHDOG=1")
        running.messages.clear()
        running.wait_for("WATCHDOG=1")

        assert running.process.poll() is None


@contextlib.contextmanager
def daemon_by(clock: Path) -> Iterator[Running]:
    """Run a daemon whose clock a file sets.

    libfaketime reads it once a second and not at each call: while one thread reads it, others have the real time.
    """
    clock.write_text("+0")
    cache = {"FAKETIME_CACHE_DURATION": "1"}
    fake = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **cache}
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    with daemon(clock.parent, LD_PRELOAD=str(library), **fake) as running:
        try:
            yield running
        finally:
            # What libfaketime would leave; it fails where a later process with this pid finds them.
            for name in ("faketime_shm", "sem.faketime_sem"):
                Path(f"/dev/shm/{name}_{running.process.pid}").unlink(missing_ok=True)  # noqa: S108 - its names


@pytest.mark.parametrize("step", ["-30d", "+30d", "-2h"])
def test_a_clock_step_changes_the_schedule_within_seconds(directory: Path, step: str) -> None:
    clock = directory / "clock"
    with daemon_by(clock) as running:
        before = str(running.status["seen_at"])
        clock.write_text(step)

        deadline = time.monotonic() + 25  # a regular tick comes after 30 s
        while str(running.status["seen_at"])[:13] == before[:13]:
            assert time.monotonic() < deadline, f"the daemon is still at {before}"
            time.sleep(0.1)

        assert (str(running.status["seen_at"]) < before) is step.startswith("-")
        status = running.status
        assert min(str(at) for at in status["next"].values()) >= str(status["seen_at"])[:13]  # type: ignore[attr-defined]
