"""The daemon as a process: what it tells systemd, which signals it knows, and clocks that are set under it.

There is no worker here: its socket is one that nobody listens on, or the machine has none.
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
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
GOOD = '[agent]\nupgrade_at = "04:00"\nsplay = "2h"\n'
WRONG = "[agent]\nupgrade_att = 4\n"


@dataclass
class Running:
    """A daemon, and what it has said to systemd."""

    process: "subprocess.Popen[str]"
    listener: socket.socket
    directory: Path
    said: list[str] = field(default_factory=list)

    def hears(self, words: str, seconds: float = 20) -> str:
        """Return the first message from now on that holds these words."""
        deadline = time.monotonic() + seconds
        while True:
            self.listener.settimeout(max(deadline - time.monotonic(), 0.01))
            message = self.listener.recv(65536).decode()
            self.said.append(message)
            if words in message:
                return message

    @property
    def word(self) -> dict[str, object]:
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
    """Run a daemon as systemd does, with a watchdog of three seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(directory / "notify"))
        told = {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "3000000", "JOURNAL_STREAM": "1:1"}
        process = subprocess.Popen(
            [*wrapper, *command(directory)],
            cwd=CHECKOUT,
            env={**os.environ, **told, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            running = Running(process, listener, directory)
            running.hears("READY=1")
            running.hears("STATUS=")
            yield running
        finally:
            process.kill()
            process.communicate()
            (directory / "notify").unlink()


def test_it_says_that_it_is_ready_what_comes_next_and_that_it_lives(directory: Path) -> None:
    with daemon(directory) as running:
        running.hears("WATCHDOG=1")

        assert running.said[0] == "READY=1"
        assert any({"next check", "next upgrade"} == set(re.findall("next [a-z]+(?= 20)", one)) for one in running.said)
        assert running.word["problems"] == []
        assert set(running.word["next"]) == {"check", "upgrade"}  # type: ignore[call-overload]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to_and_takes_its_word_away(directory: Path, number: signal.Signals) -> None:
    with daemon(directory) as running:
        running.process.send_signal(number)

        assert "STOPPING=1" in running.hears("STOPPING=1")
        assert running.process.wait(timeout=10) == 0
        assert not (directory / "run/daemon.json").exists()


def test_a_second_daemon_is_told_of_the_first(directory: Path) -> None:
    with daemon(directory) as running:
        second = subprocess.run(command(directory), cwd=CHECKOUT, capture_output=True, text=True, check=False)

        assert second.returncode == 5
        assert f"another daemon (pid {running.process.pid})" in second.stderr
        assert running.process.poll() is None


def test_a_wrong_configuration_ends_a_start_with_its_place(directory: Path) -> None:
    (directory / "config.toml").write_text(WRONG)

    done = subprocess.run(command(directory), cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 78
    assert "config.toml" in done.stderr
    assert "upgrade_at" in done.stderr


def test_a_reload_takes_up_the_new_configuration_and_keeps_the_old_one_where_the_new_one_is_wrong(
    directory: Path,
) -> None:
    with daemon(directory) as running:
        (directory / "config.toml").write_text(WRONG)
        running.process.send_signal(signal.SIGHUP)
        running.hears("RELOADING=1")
        refused = running.hears("STATUS=")
        problems = running.word["problems"]
        (directory / "config.toml").write_text(GOOD.replace("splay", "upgrade = false\nsplay"))
        running.process.send_signal(signal.SIGHUP)
        running.hears("RELOADING=1")
        taken = running.hears("STATUS=")

        assert "the old one stays" in refused
        assert "next upgrade" in refused
        assert "upgrade_at" in str(problems)
        assert "next upgrade" not in taken
        assert running.word["problems"] == []


def test_a_thousand_signals_to_reload_neither_end_it_nor_starve_its_watchdog(directory: Path) -> None:
    with daemon(directory) as running:
        for _ in range(1000):
            running.process.send_signal(signal.SIGHUP)
        running.hears("WATCHDOG=1")
        running.said.clear()
        running.hears("WATCHDOG=1")

        assert running.process.poll() is None


@pytest.mark.parametrize("leap", ["-30d", "+30d", "-2h"])
def test_a_clock_that_is_set_changes_what_is_due_within_seconds(directory: Path, leap: str) -> None:
    clock = directory / "clock"
    clock.write_text("+0")
    fake = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    with daemon(directory, LD_PRELOAD=str(library), **fake) as running:
        before = str(running.word["seen_at"])
        clock.write_text(leap)

        deadline = time.monotonic() + 15
        while str(running.word["seen_at"])[:13] == before[:13]:
            assert time.monotonic() < deadline, f"the daemon still lives at {before}"
            time.sleep(0.1)

        assert (str(running.word["seen_at"]) < before) is leap.startswith("-")
        assert min(str(at) for at in running.word["next"].values()) >= str(running.word["seen_at"])[:13]  # type: ignore[attr-defined]
