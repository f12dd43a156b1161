"""An idle day of the agent beside an idle day of apt's daily job and unattended-upgrades, on the same root.

The root has some 765 packages, the distribution's lists and nothing left to install. Measured is the processor time of
each event with all its processes, times how often it happens in a day: looks, heartbeats and files of metrics on the
running daemon, with a real endpoint over TLS on loopback; jobs by the worker; apt's as its timers start them.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import earlier, loopback, roots
from benchmarks.daemons import DaemonsCost, daemons_cost
from benchmarks.figures import Aims
from benchmarks.roots import Session
from benchmarks.timing import BARE_PYTHON, copy_in, measure
from tests.support.machine import Machine, machine

LOOKS = HEARTBEATS = FILES = 288
"""Every five minutes: of a daemon that has all three, at the same moment."""
CHECKS, UPGRADES = 4, 1
REPORTS = CHECKS + UPGRADES + 1
"""After each job, and where a process has to reserve numbers for heartbeats."""
_ROUNDS = 5
_TRIPS = 11
_MOST_OF_PEER = 1.0
_MOST_OF_OLD_HEARTBEAT = 0.03
_PEER_ON = "/srv/peer.conf"
"""What switches the daily job on, for the peer alone: where both are on, the agent upgrades nothing."""
_AGAIN = f"rm -f /var/lib/apt/periodic/*-stamp; APT_CONFIG={_PEER_ON} /usr/lib/apt/apt.systemd.daily"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One kind of event: seconds of processor time for each, and how often a day has it."""

    name: str
    each_s: float
    times: float

    @property
    def day_s(self) -> float:
        """In a day."""
        return self.each_s * self.times


def day(codename: str, session: Session, aims: Aims) -> None:
    """Measure both days, and one heartbeat beside the earlier revision's."""
    with machine(session.agent, *roots.patched(codename)) as running:
        _prepare(running, codename)
        with loopback.endpoint(running, session.scratch / f"{codename}-day") as server:
            cost = daemons_cost(running, server)
            starts = _commands(running, session.scratch, loopback.settings(server.port))
        jobs = _jobs(running)
    ours = [
        Item(name="look of the daemon", each_s=cost.look_s, times=LOOKS),
        Item(name="heartbeat", each_s=cost.heartbeat_s, times=HEARTBEATS),
        Item(name="metrics file", each_s=cost.file_s, times=FILES),
        Item(name="report by a process", each_s=starts["report"], times=REPORTS),
        Item(name="check, nothing new", each_s=jobs["check"], times=CHECKS),
        Item(name="upgrade, nothing pending", each_s=jobs["upgrade"], times=UPGRADES),
    ]
    peers = [Item(name=f"apt.systemd.daily {part}", each_s=jobs[part], times=1) for part in ("update", "install")]
    total = _show("the agent", ours, starts["python"])
    peer = _show("apt and its job", peers, starts["python"])
    _print_daemons(cost)
    aims.at_most(
        "processor time of an idle day, as a multiple of apt's and unattended-upgrades'", total / peer, _MOST_OF_PEER
    )
    if "old" in starts:
        what = f"a heartbeat's processor time, as a multiple of {earlier.REVISION}'s"
        aims.at_most(what, cost.heartbeat_s / starts["old"], _MOST_OF_OLD_HEARTBEAT)  # the look is in neither


def _prepare(running: Machine, codename: str) -> None:
    roots.connect(running)
    roots.add_security(running, codename)
    roots.upgrade(running)  # what has come since the layer was built
    roots.settle(running)
    if not running.path("/etc/machine-id").exists() or not running.path("/etc/machine-id").read_text().strip():
        running.write("/etc/machine-id", f"{'b' * 32}\n")
    running.check(f"mv /etc/apt/apt.conf.d/20auto-upgrades {_PEER_ON}")
    packages = running.check("dpkg-query -W | wc -l").strip()
    known = running.check("apt-cache stats | sed -n 's/^Total package names: *//p'").strip()
    print(f"\n{packages} packages installed; names known to apt: {known}", flush=True)
    running.check(f"python3 -IS {copy_in(running, 'job.py')} check")
    assert running.path("/var/cache/apt/pkgcache.bin").exists(), "apt keeps no pkgcache here"


def _commands(running: Machine, scratch: Path, settings: str) -> dict[str, float]:
    """Return processor seconds of Python's start and of a report, and of the earlier revision's heartbeat if known."""
    agents = {"report": "maestro-agent export-endpoint"}
    if earlier.is_known():
        earlier.install(running, scratch / "before")
        agents["old"] = f"{earlier.COMMAND} {earlier.export_verb(running)}"
    commands = {"python": BARE_PYTHON}
    for name, command in agents.items():
        running.write(f"/srv/{name}.toml", settings)
        running.check(f"mkdir -p /srv/run-{name} && cp -a /var/lib/maestro-agent /srv/state-{name}")
        options = f"--config /srv/{name}.toml --state-dir /srv/state-{name} --run-dir /srv/run-{name}"
        commands[name] = f"{command} {options}"
        running.check(commands[name])  # the first sends the state of a new outbox
    # With a new outbox it is a whole report each time.
    commands["report"] = f"sh -c 'rm -rf /srv/state-report/outbox; exec {commands['report']}'"
    figures = measure(running, list(commands.values()), _TRIPS)
    return {name: median(figure.cpu) for name, figure in zip(commands, figures, strict=True)}


def _jobs(running: Machine) -> dict[str, float]:
    """Return processor seconds of each job, in turn."""
    job = f"python3 -IS {copy_in(running, 'job.py')}"
    commands = {name: f"{job} {name}" for name in ("check", "upgrade")}
    commands |= {part: f"sh -c '{_AGAIN} {part}'" for part in ("update", "install")}
    for command in commands.values():
        running.check(command)
    figures = measure(running, list(commands.values()), _ROUNDS)
    return {name: median(figure.cpu) for name, figure in zip(commands, figures, strict=True)}


def _show(title: str, items: list[Item], python_s: float) -> float:
    """Print a table; return the seconds of a day."""
    total = sum(item.day_s for item in items)
    print(f"\nan idle day of {title}: {total:.2f} s of processor time, {total / python_s:.0f} starts of Python")
    print(f"{'each':>10} {'in Pythons':>10} {'a day':>7} {'seconds':>8} {'share':>6}")
    for item in items:
        each = f"{item.each_s * 1000:7.1f} ms {item.each_s / python_s:10.2f}"
        print(f"{each} {item.times:7.0f} {item.day_s:8.2f} {item.day_s / total:6.0%}  {item.name}", flush=True)
    return total


def _print_daemons(cost: DaemonsCost) -> None:
    sizes = ", ".join(f"{size / 1024:.1f}" for size in cost.rss_kib)
    print(f"\nmeasured: {cost.heartbeats:g} heartbeats, {cost.files} files")
    print(f"daemons without exporters, with heartbeats, with both: {sizes} MiB resident", flush=True)
