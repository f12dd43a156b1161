"""The running daemon with one exporter, or none: processor time for each heartbeat and for each file.

The real daemon and the real endpoint; exporters are due every few seconds, so that minutes show what days cost.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import loopback
from benchmarks.groups import Group, group
from benchmarks.timing import copy_in
from benchmarks.wire import Counter
from tests.support.endpoint_server import EndpointServer
from tests.support.machine import Machine

EVERY_S = 10
WATCHED_S = 240
_SETTLE_S = 75
"""Until the first report is sent and what follows a start is over."""
_POLL_S = 0.5
_FILE = "/srv/metrics/maestro.prom"
_NO_JOBS = '[agent]\ncheck_interval = "7d"\nupgrade = false\n'


@dataclass(frozen=True, kw_only=True)
class DaemonsCost:
    """What the daemon costs; seconds of processor time with all its children."""

    asleep_s: float
    """Each second without exporters."""
    heartbeat_s: float
    """Each heartbeat."""
    file_s: float
    """Each file."""
    heartbeats: int
    files: int
    rss_kib: tuple[int, ...]
    """Resident at the end: without exporters, with heartbeats, with files."""


@dataclass(kw_only=True)
class _Daemon:
    """One running daemon, in a group of its own."""

    group: Group
    outer: "subprocess.Popen[str]"
    before_s: float = 0.0

    def begin(self) -> None:
        """Count from now."""
        self.before_s = self.group.cpu_s

    @property
    def cpu_s(self) -> float:
        """Since `begin`."""
        return self.group.cpu_s - self.before_s

    @property
    def pid(self) -> int:
        """Of the daemon itself, as seen from outside."""
        return int(Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()[0])

    @property
    def rss_kib(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


@dataclass(kw_only=True)
class _Files:
    """Counts how often a file was written, or its time set."""

    path: Path
    count: int = 0
    _seen: int = field(default=0)

    def look(self) -> None:
        now = self.path.stat().st_mtime_ns if self.path.exists() else 0
        self.count += now != self._seen
        self._seen = now


def daemons_cost(running: Machine, server: EndpointServer) -> DaemonsCost:
    """Run three daemons at the same time on one machine that has a check recorded."""
    counter = Counter(authority=server.authority, endpoint_port=server.port)
    running.check("mkdir -p /srv/metrics")
    files = _Files(path=running.path(_FILE))
    with counter.listening() as port, contextlib.ExitStack() as stack:
        sections = {"none": "", "heartbeats": loopback.settings(port), "files": f'[metrics]\ntextfile = "{_FILE}"\n'}
        daemons = [stack.enter_context(_daemon(running, name, text)) for name, text in sections.items()]
        time.sleep(_SETTLE_S)
        files.look()
        sent, files.count = counter.requests, 0
        for daemon in daemons:
            daemon.begin()
        end = time.monotonic() + WATCHED_S
        while time.monotonic() < end:
            time.sleep(_POLL_S)
            files.look()
        asleep, beating, writing = (daemon.cpu_s for daemon in daemons)
        sent = counter.requests - sent
        assert sent, running.path("/srv/log-heartbeats").read_text()
        assert files.count, running.path("/srv/log-files").read_text()
        return DaemonsCost(
            asleep_s=asleep / WATCHED_S,
            heartbeat_s=(beating - asleep) / sent,
            file_s=(writing - asleep) / files.count,
            heartbeats=sent,
            files=files.count,
            rss_kib=tuple(daemon.rss_kib for daemon in daemons),
        )


@contextlib.contextmanager
def _daemon(running: Machine, name: str, settings: str) -> Iterator[_Daemon]:
    running.write(f"/srv/{name}.toml", f"{_NO_JOBS}{settings}")
    running.check(f"mkdir -p /srv/run-{name} && cp -a /var/lib/maestro-agent /srv/state-{name}")
    program = f"python3 -IS {copy_in(running, 'hurried.py')} {EVERY_S}"
    options = f"--config /srv/{name}.toml --state-dir /srv/state-{name} --run-dir /srv/run-{name}"
    with group(name) as own:
        outer = own.start(running, f"exec {program} run {options} >/srv/log-{name} 2>&1")
        try:
            yield _Daemon(group=own, outer=outer)
        finally:
            for pid in own.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            outer.communicate()
