"""Cost of the daemon while no job is due, relative to a sleeping Python and the peer's resident helper.

All three run on one booted machine at the same time. It has dbus and the libraries that the peer's helper needs.
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

from benchmarks.figures import Aims, ratio, show
from benchmarks.roots import CHECKOUT, THIS_MACHINE, Session
from benchmarks.timing import PYTHON, measure
from tests.support import bases
from tests.support.booted import Booted, booted
from tests.support.repository import Signer, package
from tests.support.scenario import Scenario

PACKAGES = (*bases.BOOTED, "unattended-upgrades", "python3-dbus", "python3-gi")
BARE = "python3 -c 'import time; time.sleep(86400)'"
UNITS = {"bare": BARE, "maestro-agent": "", "unattended-upgrades": ""}
"""The units that are measured, the baseline first; those without a command are in their packages."""
SETTLE_S = 60
SAMPLE_EVERY_S = 10
"""How often sizes and counters are read; reading costs this process, not the measured one."""
FIRST_CHECK_S = 180
JOBS = "/var/lib/maestro-agent/jobs.json"
ENDED = '"finished_at": "'
CONFIGURATION = '[agent]\ncheck_interval = "7d"\nupgrade_at = "{hour:02}:00"\nsplay = "0s"\n'
"""Default settings, except for times that keep every job out of the measured minutes."""


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
        """Read sizes and counters again; for a thread that has ended, its last values count."""
        self._latest.update(self._threads())
        for line in (self._directory / "smaps_rollup").read_text().splitlines()[1:]:
            kind, size = line.split()[:2]
            if kind in self._sizes:
                self._sizes[kind] = max(self._sizes[kind], int(size))

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
    with _server(codename) as running:
        jobs = running.check(f"cat {JOBS}")
        costs = _watch(running, session.idle_minutes * 60)
        if running.check(f"cat {JOBS}") != jobs:
            print("\na job ran during the measurement: this was not idle")
        _show(costs, session.idle_minutes)
        ours = costs[1]
        aims.at_most("resident memory of the idle daemon", ours.rss_kib / 1024, 32, " MiB")
        aims.at_most("CPU time of the idle daemon", _percent(ours, session.idle_minutes), 0.05, " %")
        figures = measure(running, [PYTHON, "maestro-agent status"], 41)
        show("status, with a running daemon", figures)
        aims.at_most("status, as a multiple of Python's start", ratio(figures[1], figures[0]), 3)


def _watch(running: Booted, seconds: float) -> list[Idle]:
    pids = {unit: _main_pid(running, unit) for unit in UNITS}
    processes = [_Process(unit, running.path(f"/proc/{pid}")) for unit, pid in pids.items()]
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(SAMPLE_EVERY_S, left))
        for process in processes:
            process.sample()
    return [process.cost() for process in processes]


def _show(costs: list[Idle], minutes: float) -> None:
    floor = costs[0]
    print(f"\nidle for {minutes:g} minutes; in brackets the ratio to a sleeping Python")
    print(f"{'resident':>18} {'proportional':>18} {'private dirty':>18} {'CPU':>25} {'wake-ups':>9} {'threads':>8}")
    for cost in costs:
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
def _server(codename: str) -> Iterator[Booted]:
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
        for unit, command in UNITS.items():
            running.check(f"systemd-run -q --unit={unit} {command}" if command else f"systemctl start {unit}")
        _wait_for_first_check(running)
        time.sleep(SETTLE_S)
        yield running


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
