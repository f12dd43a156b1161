"""Measures the agent against its peers and a floor in one run, as ratios: `make bench` (root, a few minutes).

Everything runs on one throwaway machine whose sources are the distribution's own, some 60,000 packages, with
real security updates pending. Commands are timed in turn, round by round, so that whatever else the machine
does hits all of them alike; figures are medians.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import bases
from tests.support.machine import Machine, machine

CHECKOUT = Path(__file__).resolve().parent.parent
FLOOR = "python3 -c pass"
OPEN = "python3 -c 'import apt_pkg; apt_pkg.init_config(); apt_pkg.init_system(); apt_pkg.Cache(None)'"
TIMER = """
import json, os, statistics, subprocess, sys, time
commands, rounds = json.load(sys.stdin)
seconds = {command: [] for command in commands}
memory = dict.fromkeys(commands, 0)
for number in range(rounds + 1):
    for command in commands:
        started = time.perf_counter()
        child = subprocess.Popen(["sh", "-c", "exec " + command], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
        if number:  # the first round warms the caches
            seconds[command].append(time.perf_counter() - started)
            memory[command] = max(memory[command], usage.ru_maxrss)
print(json.dumps({c: [statistics.median(v), sorted(v)[int(len(v) * 0.95)], memory[c]] for c, v in seconds.items()}))
"""
PEER = """#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {{ "origin=Debian,codename={codename}-security,label=Debian-Security"; }};
"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one command took: median and 95th percentile in seconds, largest memory in KiB."""

    command: str
    median_s: float
    p95_s: float
    rss_kib: int


@contextmanager
def server(codename: str) -> Iterator[Machine]:
    """Run a machine with the agent installed, lists fetched, apt's caches built, and a history."""
    with tempfile.TemporaryDirectory() as layer:
        Path(layer).chmod(0o755)
        subprocess.run(["make", "-s", "-C", str(CHECKOUT), "install", f"DESTDIR={layer}"], check=True)
        with machine(Path(layer), bases.base(codename)) as running:
            shutil.copy("/etc/resolv.conf", running.path("/etc/resolv.conf"))
            line = f"deb {bases.security_mirror()} {codename}-security main\n"
            running.write("/etc/apt/sources.list.d/security.list", line)
            running.write("/etc/apt/apt.conf.d/99peer", PEER.format(codename=codename))
            running.check("apt-get -q update")
            running.check("python3 -m compileall -q /usr/share/maestro-agent")  # as the package's postinst does
            running.run("maestro-agent check")
            _fill_history(running)
            yield running


def _fill_history(running: Machine) -> None:
    run = {
        "schema": "maestro.outcome/1", "id": "", "scope": "security", "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:10Z", "result": "updated", "message": "", "upgraded": [], "new": [],
        "held": [], "failed": [],
    }  # fmt: skip
    for number in range(300):
        run["id"] = f"20260101T{number:06}Z"
        running.write(f"/var/lib/maestro-agent/history/{run['id']}.json", json.dumps(run))


def measure(running: Machine, commands: list[str], rounds: int) -> list[Figure]:
    """Time commands inside the machine, in turn."""
    running.write("/srv/timer.py", TIMER)
    running.write("/srv/commands.json", json.dumps([commands, rounds]))
    figures = json.loads(running.check("python3 /srv/timer.py </srv/commands.json", timeout=1800))
    return [
        Figure(command=command, median_s=median, p95_s=p95, rss_kib=rss)
        for command, (median, p95, rss) in figures.items()
    ]


def show(title: str, figures: list[Figure], limit: float) -> None:
    """Print a table; the first figure is the floor that the ratios are of, the second is ours."""
    floor = figures[0].median_s
    print(f"\n{title}")
    print(f"{'median':>10} {'p95':>10} {'memory':>9} {'ratio':>7}  command")
    for figure in figures:
        ratio = figure.median_s / floor
        words = f"{figure.median_s * 1000:7.1f} ms {figure.p95_s * 1000:7.1f} ms {figure.rss_kib / 1024:6.1f} MB"
        print(f"{words} {ratio:7.2f}  {figure.command[:90]}")
    ratio = figures[1].median_s / floor
    print(
        f"ours is {ratio:.2f} times the floor; the aim is at most {limit:.0f}: {'met' if ratio <= limit else 'MISSED'}"
    )


def main() -> int:
    """Run the benchmarks on every release."""
    for codename in bases.codenames():
        with server(codename) as running:
            packages = running.check(f"{OPEN[:-1]}; print(len(apt_pkg.Cache(None).packages))'").strip()
            pending = json.loads(running.run("maestro-agent check --no-refresh --json").stdout)["install"]
            print(f"== {codename}: {packages} packages known to apt, {len(pending)} security updates pending")
            status = measure(running, [FLOOR, "maestro-agent status", "apt-get --version"], 41)
            show("status: an answer from the record", status, 3)
            check = measure(running, [OPEN, "maestro-agent check --no-refresh", "apt-get -s upgrade"], 15)
            slow = measure(running, ["unattended-upgrade --dry-run"], 3)
            show("check --no-refresh: a plan from the lists", check + slow, 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
