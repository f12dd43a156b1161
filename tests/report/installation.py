"""The agent's exporters as processes: `maestro-agent report --send`, or the daemon."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from agent.errors import BusyError
from agent.host.machine.identity import host_id
from agent.report.outbox.file import open_outbox
from agent.report.outbox.outbox import Outbox
from agent.report.outbox.transaction import OutboxLimits

CHECKOUT = Path(__file__).resolve().parent.parent.parent
BOUNDS = OutboxLimits(size=1 << 30, age=timedelta(days=30))


@dataclass(kw_only=True)
class ReportingAgent:
    """An agent's state directory, configuration and outbox."""

    directory: Path
    settings: dict[str, object] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None
    daemon: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        for name in ("state", "run"):
            (self.directory / name).mkdir()

    def configure(self, *, port: int | None = None, **settings: object) -> None:
        """Change these settings of `[endpoint]`."""
        self.settings |= settings
        if port is not None:
            self.settings["url"] = f"https://127.0.0.1:{port}"
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.settings.items()]
        (self.directory / "config.toml").write_text("\n".join(["[endpoint]", *lines, ""]))

    def start(self, **environment: str) -> "subprocess.Popen[str]":
        options = ["--config", str(self.directory / "config.toml"), "--state-dir", str(self.directory / "state")]
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "agent", *options, "report", "--send", "--run-dir", str(self.directory / "run")],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def start_daemon(self) -> "subprocess.Popen[bytes]":
        """Start the daemon in a new process group, with the exporters that it starts."""
        options = ["--config", str(self.directory / "config.toml"), "--state-dir", str(self.directory / "state")]
        self.daemon = subprocess.Popen(
            ["/usr/bin/python3", "-m", "agent", *options, "run", "--run-dir", str(self.directory / "run")],
            cwd=CHECKOUT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self.daemon

    def kill_daemon(self) -> None:
        """Kill the daemon and its running exporters, as systemd does with their control group."""
        if self.daemon is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait()

    def send(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run `report --send` to its end."""
        process = self.start(**environment)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @contextmanager
    def outbox(self) -> Iterator[Outbox]:
        """Open the outbox once the daemon's exporter has closed it."""
        deadline = time.monotonic() + 60
        with ExitStack() as stack:
            while True:
                now = datetime.now(timezone.utc)
                try:
                    found = stack.enter_context(
                        open_outbox(str(self.directory / "state/outbox"), host_id(), BOUNDS, now)
                    )
                    break
                except BusyError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield found

    def add(self, count: int, first: int = 0, size: int = 100) -> None:
        """Queue events of a type that the endpoint accepts with any content."""
        now = datetime.now(timezone.utc)
        with self.outbox() as outbox, outbox.transaction() as tx:
            for number in range(first, first + count):
                tx.add("test-event", now, {"number": number, "text": "x" * size}, now)

    @property
    def queued(self) -> int:
        with self.outbox() as outbox:
            return outbox.stats().events

    @property
    def endpoint_status(self) -> Any:
        """Return the endpoint exporter's entry in its status file."""
        return json.loads((self.directory / "run/exporter-endpoint.json").read_text())["exporters"]["endpoint"]


def until(words: str, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.1)


def stored_events(database: Path) -> list[tuple[int, str, Any]]:
    """Return sequence, key and body of all events in the endpoint's database, in order of arrival."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT sequence, key, body FROM events ORDER BY received_at, sequence").fetchall()
    return [
        (sequence, key, json.loads(body) if isinstance(body, str | bytes) else body) for sequence, key, body in rows
    ]
