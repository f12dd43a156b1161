"""The daemon's exporters at a fast clock, as a program: each round is one interval of the endpoint's exporter.

Everything is the daemon's own code but the clock of its ticks. Prints one JSON object a line: after each hundred
rounds, and at the end.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import agent.daemon.service  # noqa: F401 - for its memory
from agent.config.load import load
from agent.core.exporters import ExporterName
from agent.daemon.export_supervisor import ExportSupervisor
from agent.daemon.in_daemon import InDaemonAttempts
from agent.host import log
from agent.host.machine.os_release import read_distro
from agent.host.process.spawn import AgentProcess
from agent.state.store import Store
from agent.state.timestamps import utc_now

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_LINE_EVERY = 100
_LONGEST_ROUND_S = 60.0


class CheckoutProcess(AgentProcess):
    """An exporter's process of this checkout."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "agent", *arguments], cwd=CHECKOUT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.pid = self._process.pid
        self._since_s = time.monotonic()

    def exit_code(self) -> int | None:
        return self._process.poll()

    def age_s(self) -> float:
        return time.monotonic() - self._since_s

    def kill(self) -> None:
        self._process.kill()


class FastDaemon:
    """A supervisor over real directories, whose ticks are as far apart as the exporter's interval."""

    def __init__(self, directory: Path) -> None:
        self.processes = 0
        self.attempts = 0
        self.ticks_meanwhile = 0
        """Ticks while an attempt or a process ran: none of them waits for it."""
        self._config = directory / "config.toml"
        self.reload()
        self._now = utc_now()
        self._supervisor = ExportSupervisor(
            self._config, Store(str(directory / "state")), str(directory / "run"), self._start
        )

    def reload(self) -> None:
        """Go by the configuration as it is now."""
        self._policy = load(self._config, read_distro())[0]

    def round(self) -> None:
        """Go on by one interval, and have everything done that is due then."""
        self._now += self._policy.endpoint.interval + timedelta(minutes=1)
        ends_s = time.monotonic() + _LONGEST_ROUND_S
        self._tick()
        while not self._supervisor.idle:
            assert time.monotonic() < ends_s
            time.sleep(0.002)
            self._tick()
            self.ticks_meanwhile += 1

    def _start(self, arguments: Sequence[str]) -> AgentProcess:
        self.processes += 1
        return CheckoutProcess(arguments)

    def _tick(self) -> None:
        self._supervisor.tick(self._policy, "machine", self._now, self._now - timedelta(days=1))


def resident_kib() -> int:
    """Return the resident memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def count_attempts(daemon: FastDaemon) -> None:
    """Have the daemon's attempts counted."""
    start = InDaemonAttempts.start

    def counted(self: InDaemonAttempts, *arguments: object, **options: bool) -> bool:
        done = start(self, *arguments, **options)  # type: ignore[arg-type]
        daemon.attempts += done
        return done

    InDaemonAttempts.start = counted  # type: ignore[method-assign,assignment]


def main(directory: Path, rounds: int) -> None:
    """Run so many rounds."""
    log.set_up()
    daemon = FastDaemon(directory)
    count_attempts(daemon)
    for number in range(1, rounds + 1):
        daemon.round()
        if number % _LINE_EVERY == 0 or number == rounds:
            found = {"processes": daemon.processes, "attempts": daemon.attempts, "meanwhile": daemon.ticks_meanwhile}
            print(json.dumps({"rounds": number, "resident_kib": resident_kib(), **found}), flush=True)


if __name__ == "__main__":
    assert ExporterName.ENDPOINT.in_daemon
    main(Path(sys.argv[1]), int(sys.argv[2]))
