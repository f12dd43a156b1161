"""The running daemon without exporters, with heartbeats, and with files beside them: processor time for each look.

The real daemon and the real endpoint; what happens every five minutes happens every few seconds, all in one look as on
a server, so that minutes show what days cost.
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

    look_s: float
    """Each look at which nothing is due, with what keeps systemd's watchdog quiet until the next one."""
    heartbeat_s: float
    """Each heartbeat, beside the look."""
    file_s: float
    """Each file, beside the look and the heartbeat."""
    heartbeats: float
    files: int
    rss_kib: tuple[int, ...]
    """Resident at the end: without exporters, with heartbeats, with both."""


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
        endpoint = loopback.settings(port)
        sections = {"none": "", "heartbeats": endpoint, "both": f'{endpoint}[metrics]\ntextfile = "{_FILE}"\n'}
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
        looking, beating, writing = (daemon.cpu_s for daemon in daemons)
        beats = (counter.requests - sent) / 2  # of each of two daemons
        assert beats, running.path("/srv/log-heartbeats").read_text()
        assert files.count, running.path("/srv/log-both").read_text()
        return DaemonsCost(
            look_s=looking / (WATCHED_S / EVERY_S),
            heartbeat_s=(beating - looking) / beats,
            file_s=(writing - beating) / files.count,
            heartbeats=beats,
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
