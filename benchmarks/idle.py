"""Cost of the daemon while no job is due, relative to an earlier revision's, a sleeping Python and the peer's helper.

All run on one booted machine at the same time. It has dbus and the libraries that the peer's helper needs. Both daemons
send heartbeats to an endpoint over TLS, and write a metrics file.
"""

import contextlib
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import earlier, loopback
from benchmarks.figures import Aims, cpu_ratio, show
from benchmarks.roots import CHECKOUT, THIS_MACHINE, Session
from benchmarks.timing import BARE_PYTHON, measure
from tests.support import bases
from tests.support.booted import Booted, booted
from tests.support.repository import Signer, package
from tests.support.scenario import Scenario

PACKAGES = (*bases.BOOTED, "unattended-upgrades", "python3-dbus", "python3-gi")
BARE = "python3 -c 'import time; time.sleep(86400)'"
BASE, OURS, PEER, EARLIER = "bare", "maestro-agent", "unattended-upgrades", "earlier"
UNITS = (BASE, OURS, PEER, EARLIER)
"""The units that are measured, the baseline first."""
SETTLE_S = 60
SAMPLE_EVERY_S = 10
"""How often sizes are read; reading costs this process, not the measured one."""
THREADS_EVERY_S = 0.02
"""How often the counters of threads are: one that sends a heartbeat lives for some 50 ms."""
FIRST_CHECK_S = 180
JOBS = "/var/lib/maestro-agent/jobs.json"
ENDED = '"finished_at": "'
FILES = "/var/lib/prometheus/node-exporter"
CONFIGURATION = '[agent]\ncheck_interval = "7d"\nupgrade_at = "{hour:02}:00"\nsplay = "0s"\n'
"""Default settings, except for times that keep every job out of the measured minutes."""
MOST_WAKEUPS = 20
"""In ten minutes."""


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Cost of one process during the measured time; sizes are peaks."""

    name: str
    rss_kib: int
    pss_kib: int
    dirty_kib: int
    """Private dirty memory: the part that no other process can share."""
    cpu_s: float
    wakeups: int
    """Voluntary context switches of all threads: how often it slept and woke up."""
    threads: int


class _Process:
    """One process, measured from outside."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._first = self._threads()
        self._latest = dict(self._first)
        self._sizes = {"Rss:": 0, "Pss:": 0, "Private_Dirty:": 0}

    def sample(self) -> None:
        """Read sizes and counters again."""
        self.look_at_threads()
        for line in (self._directory / "smaps_rollup").read_text().splitlines()[1:]:
            kind, size = line.split()[:2]
            if kind in self._sizes:
                self._sizes[kind] = max(self._sizes[kind], int(size))

    def look_at_threads(self) -> None:
        """Read counters again; for a thread that has ended, its last values count."""
        self._latest.update(self._threads())

    def cost(self) -> Idle:
        """Return the total."""
        cpu_ns, switches = (
            sum(counters[kind] - self._first.get(thread, (0, 0))[kind] for thread, counters in self._latest.items())
            for kind in (0, 1)
        )
        return Idle(
            name=self.name,
            rss_kib=self._sizes["Rss:"],
            pss_kib=self._sizes["Pss:"],
            dirty_kib=self._sizes["Private_Dirty:"],
            cpu_s=cpu_ns / 1e9,
            wakeups=switches,
            threads=len(self._latest),
        )

    def _threads(self) -> dict[str, tuple[int, int]]:
        """Return CPU time in nanoseconds (ticks of 10 ms would be too coarse) and context switches of each thread."""
        found = {}
        for task in (self._directory / "task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
                status = (task / "status").read_text().splitlines()
                switches = next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
                found[task.name] = (int((task / "schedstat").read_text().split()[0]), switches)
        return found


def idle(codename: str, session: Session, aims: Aims) -> None:
    """Measure the idle daemon, and `status` with a running daemon."""
    if codename == THIS_MACHINE:
        print("\nskipped: an overlay over this machine does not boot")
        return
    with _server(codename, session) as running:
        jobs = running.check(f"cat {JOBS}")
        costs = _watch(running, session.idle_minutes * 60)
        if running.check(f"cat {JOBS}") != jobs:
            print("\na job ran during the measurement: this was not idle")
        _show(costs, session.idle_minutes)
        ours, old = costs[OURS], costs.get(EARLIER)
        aims.at_most("resident memory of the idle daemon", ours.rss_kib / 1024, 32, " MiB")
        aims.at_most("CPU time of the idle daemon", _percent(ours, session.idle_minutes), 0.05, " %")
        wakeups = ours.wakeups * 10 / session.idle_minutes
        aims.at_most("wake-ups of the idle daemon in ten minutes", wakeups, MOST_WAKEUPS)
        if old is not None:
            what = f"resident memory of the idle daemon, as a multiple of {earlier.REVISION}'s"
            aims.at_most(what, ours.rss_kib / old.rss_kib, 1.0)
        figures = measure(running, [BARE_PYTHON, "maestro-agent status"], 41)
        show("status, with a running daemon", figures)
        aims.at_most("status, as a multiple of Python's start", cpu_ratio(figures[1], figures[0]), 2.2)


def _watch(running: Booted, seconds: float) -> dict[str, Idle]:
    units = [unit for unit in UNITS if unit != EARLIER or running.path(earlier.PLACE).exists()]
    pids = {unit: _main_pid(running, unit) for unit in units}
    processes = [_Process(unit, running.path(f"/proc/{pid}")) for unit, pid in pids.items()]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        next_sample = time.monotonic() + min(SAMPLE_EVERY_S, left)
        while time.monotonic() < next_sample:
            time.sleep(THREADS_EVERY_S)
            for process in processes:
                process.look_at_threads()
        for process in processes:
            process.sample()
    return {process.name: process.cost() for process in processes}


def _show(costs: dict[str, Idle], minutes: float) -> None:
    floor = costs[BASE]
    print(f"\nidle for {minutes:g} minutes; in brackets the ratio to a sleeping Python")
    print(f"{'resident':>18} {'proportional':>18} {'private dirty':>18} {'CPU':>25} {'wake-ups':>9} {'threads':>8}")
    for cost in costs.values():
        sizes = " ".join(
            f"{getattr(cost, kind) / 1024:6.1f} MiB ({getattr(cost, kind) / getattr(floor, kind):4.2f})"
            for kind in ("rss_kib", "pss_kib", "dirty_kib")
        )
        cpu = f"{cost.cpu_s * 1000:9.2f} ms ({_percent(cost, minutes):8.5f} %)"
        print(f"{sizes} {cpu} {cost.wakeups:9} {cost.threads:8}  {cost.name}", flush=True)


def _percent(cost: Idle, minutes: float) -> float:
    return cost.cpu_s / (minutes * 60) * 100


def _main_pid(running: Booted, unit: str) -> int:
    pid = int(running.check(f"systemctl show -P MainPID {unit}"))
    if not pid:
        raise AssertionError(f"{unit} does not run:\n{running.journal(unit)[-2000:]}")
    return pid


@contextmanager
def _server(codename: str, session: Session) -> Iterator[Booted]:
    """Run a machine whose daemon has finished its first check, found one security update, and is idle."""
    deb = _build()
    with booted(bases.base(codename, PACKAGES)) as running, tempfile.TemporaryDirectory() as keys:
        signer = Signer(Path(keys, "gnupg"))
        try:
            host = Scenario.without_sources(running, signer, codename)
            running.path("/srv").mkdir(exist_ok=True)
            host.offer("security", package("a", "2"))
        finally:
            signer.close()
        host.configuration(CONFIGURATION.format(hour=(int(running.check("date +%H")) + 12) % 24))
        running.path("/srv/agent.deb").write_bytes(deb.read_bytes())
        running.check("apt-get -q install -y -o Dpkg::Options::=--force-confold /srv/agent.deb")
        running.check(f"systemd-run -q --unit={BASE} {BARE}; systemctl start {OURS} {PEER}")
        _wait_for_first_check(running)
        with loopback.endpoint(running, session.scratch / f"{codename}-idle", network=running.leader) as server:
            _send_from_both(running, session, server.port)
            time.sleep(SETTLE_S)
            yield running


def _send_from_both(running: Booted, session: Session, port: int) -> None:
    """Have the daemon export, and start an earlier revision's beside it, with a copy of the record."""
    both = f"{loopback.settings(port)}[metrics]\ntextfile = "
    running.check(f"mkdir -p {FILES} && chgrp maestro-agent {FILES} /etc/maestro-agent/token")
    running.check(f"chmod 1775 {FILES} && chmod 640 /etc/maestro-agent/token")
    running.write(loopback.DROP_IN, f'{both}"{FILES}/maestro.prom"\n')
    running.check(f"systemctl restart {OURS}")  # no reload: its sandbox finds the directory at a start only
    if not earlier.is_known():
        return
    earlier.install(running, session.scratch / "before")
    kept = running.path("/etc/maestro-agent/config.toml").read_text()
    running.write("/srv/old.toml", f'{kept}{both}"{FILES}/earlier.prom"\n')
    running.check("cp -a /var/lib/maestro-agent /srv/state-old")
    options = "--config /srv/old.toml --state-dir /srv/state-old --run-dir /run/maestro-earlier"
    properties = "-p User=maestro-agent -p Type=notify -p WatchdogSec=60 -p RuntimeDirectory=maestro-earlier"
    running.check(f"systemd-run -q --unit={EARLIER} {properties} {earlier.COMMAND} run {options}")


def _build() -> Path:
    done = subprocess.run([CHECKOUT / "tools/build-deb"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"the package cannot be built:\n{done.stderr[-3000:]}")
    return Path(done.stdout.splitlines()[-1])


def _wait_for_first_check(running: Booted) -> None:
    deadline = time.monotonic() + FIRST_CHECK_S
    while running.run(f"grep -q {shlex.quote(ENDED)} {JOBS}").returncode:
        if time.monotonic() > deadline:
            raise AssertionError(f"no first check after {FIRST_CHECK_S} s:\n{running.journal('maestro-agent')[-2000:]}")
        time.sleep(1)
