"""The upgrade: the agent, one `apt-get` of the same set, and unattended-upgrade, from the same starting root.

The root is a server with at least 60 real security updates pending. Archives are downloaded before, so the network is
not measured; the root writes to a new ext4 file system on disk, where fsync(2) costs what it costs dpkg. The agent and
`apt-get` run in pairs, and each ratio is the median of the pairs' own. No service is started in it.
"""

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import roots
from benchmarks.figures import Aims
from benchmarks.roots import Session
from benchmarks.watch import Watched, watch
from tests.support.machine import machine

_LEAST_PENDING = 60
_KEEP = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
_HOOKS = """DPkg::Pre-Invoke { "echo pre-invoke >>/srv/hooks"; };
DPkg::Pre-Install-Pkgs { "cat >/dev/null; echo pre-install-pkgs >>/srv/hooks"; };
DPkg::Post-Invoke { "echo post-invoke >>/srv/hooks"; };
"""
_VERSIONS = "dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Status}\\n'"
_FLOOR = "apt-get install, the same set"
OURS = "maestro-agent upgrade --no-refresh"
_PEER = "unattended-upgrade"
_MOST_WALL, _MOST_HELD = 1.0, 0.95
_NO_ARCHIVES = "rm -f /var/cache/apt/archives/*.deb"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to install the updates."""

    name: str
    command: str
    rounds: int = 1
    before: str = "true"
    """A shell command that prepares the root; not measured."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """Result of one command on one root."""

    watched: Watched
    dpkg_runs: int
    hooks: int
    versions: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Start:
    """The root that every round starts from."""

    layers: tuple[Path, ...]
    apt_get: str
    """The command that installs exactly the agent's plan."""
    scratch: Path
    """Where the rounds' disks are."""


def upgrade(codename: str, session: Session, aims: Aims) -> None:
    """Measure wall time, CPU time, dpkg runs, hooks, and how long dpkg's lock is held."""
    start = starting_root(codename, session, aims)
    ours = Way(name=OURS, command=f"{OURS} --json", rounds=session.rounds)
    floor = Way(name=_FLOOR, command=start.apt_get, rounds=session.rounds)
    peers = [Way(name=_PEER, command=_PEER)] if session.peer else []  # one round: it takes minutes
    rounds = _in_turn(start, [floor, ours, *peers])
    _show("archives downloaded before, lists not refreshed", rounds)
    _judge(rounds[_FLOOR], rounds[OURS], aims)
    if session.peer:
        times = _wall(rounds[_PEER]) / _wall(rounds[OURS])
        aims.at_least("the agent's upgrade, how many times faster than unattended-upgrade", times, 5)
    _compare(rounds, aims)
    if session.peer:
        _measure_with_network(start)


def starting_root(codename: str, session: Session, aims: Aims) -> Start:
    """Build the root that every round starts from, once per run: lists verified, caches built, archives downloaded."""
    layer = session.scratch / f"{codename}-start"
    set_file = layer.with_suffix(".json")
    if not layer.exists():
        with machine(session.agent, *roots.server(codename)) as running:
            roots.connect(running)
            roots.add_security(running, codename)
            plan = json.loads(running.run("maestro-agent check --json", timeout=roots.LISTS_S).stdout)["install"]
            running.check(f"{_same_set(plan)} --download-only", timeout=roots.INSTALL_S)
            running.write("/etc/apt/apt.conf.d/99hooks", _HOOKS)
            running.check("rm -f /var/log/dpkg.log")
            roots.settle(running)
            roots.save(running, layer)
            set_file.write_text(json.dumps(plan))
    plan = json.loads(set_file.read_text())
    aims.holds(f"{len(plan)} security updates pending, at least {_LEAST_PENDING}", met=len(plan) >= _LEAST_PENDING)
    layers = (layer, session.agent, *roots.server(codename))
    return Start(layers=layers, apt_get=_same_set(plan), scratch=session.scratch)


def _same_set(plan: list[dict[str, str]]) -> str:
    wanted = " ".join(shlex.quote(f"{one['package']}:{one['architecture']}={one['candidate']}") for one in plan)
    return f"apt-get -q -y --no-install-recommends {_KEEP} install {wanted}"


def _in_turn(start: Start, ways: list[Way]) -> dict[str, list[Round]]:
    """Run all ways in every round, starting with a different one each time."""
    rounds: dict[str, list[Round]] = {way.name: [] for way in ways}
    for number in range(max(way.rounds for way in ways)):
        for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
            if len(rounds[way.name]) < way.rounds:
                rounds[way.name].append(_once(start, way))
    return rounds


def _once(start: Start, way: Way) -> Round:
    with roots.disk(start.scratch) as disk, machine(*start.layers, disk=disk) as running:
        running.check(way.before)
        os.sync()  # what others have written meanwhile is not this round's
        watched = watch(running, way.command)
        print(f"  {watched.wall_s:7.1f} s  {way.name}", flush=True)
        log = running.path("/var/log/dpkg.log").read_text().splitlines()
        return Round(
            watched=watched,
            dpkg_runs=sum(" startup " in line for line in log),
            hooks=len(running.path("/srv/hooks").read_text().splitlines()),
            versions=frozenset(running.check(_VERSIONS).splitlines()),
        )


def _show(title: str, rounds: dict[str, list[Round]]) -> None:
    floor = _wall(next(iter(rounds.values())))
    print(f"\nupgrade: {title}")
    print(f"{'median':>9} {'ratio':>6} {'cpu':>8} {'lock held':>9} {'dpkgs':>5} {'hooks':>5} {'rounds':>6}  command")
    for name, several in rounds.items():
        wall, cpu = _wall(several), _cpu(several)
        last = several[-1]
        print(
            f"{wall:7.1f} s {wall / floor:6.2f} {cpu:6.1f} s {_held(several):7.1f} s {last.dpkg_runs:5} {last.hooks:5} "
            f"{len(several):6}  {name}",
            flush=True,
        )


def _judge(floor: list[Round], ours: list[Round], aims: Aims) -> None:
    def pairs(what: str, of: Callable[[Watched], float]) -> float:
        ratios = [of(one.watched) / of(other.watched) for one, other in zip(ours, floor, strict=True)]
        print(f"{what}, of apt-get's, pair by pair: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
        return median(ratios)

    wall, held = pairs("wall time", lambda seen: seen.wall_s), pairs("lock held", lambda seen: seen.lock_held_s)
    cpu = pairs("processor time", lambda seen: seen.cpu_s)
    aims.at_most("the agent's upgrade, as a multiple of apt-get's", wall, _MOST_WALL)
    aims.at_most("time holding dpkg's lock, as a multiple of apt-get's", held, _MOST_HELD)
    reported = median(json.loads(one.watched.output)["lock"]["held_s"] for one in ours)
    print(f"(processor time is {cpu:.2f} times apt-get's; the outcome reports {reported:.1f} s of holding the lock)")


def _compare(rounds: dict[str, list[Round]], aims: Aims) -> None:
    """Check that all ways installed the same packages and versions; print each difference."""
    expected = rounds[_FLOOR][0].versions
    for name, several in list(rounds.items())[1:]:
        others = sorted(set().union(*(one.versions ^ expected for one in several)))
        aims.holds(f"{name} ends with the same packages and versions as apt-get", met=not others)
        for line in others:
            print(f"    {'only apt-get' if line in expected else f'only {name}'}: {line}")


def _measure_with_network(start: Start) -> None:
    """Measure each way with network access once, without a target."""
    refreshing = [
        Way(name="apt-get update, then install", command=f"apt-get -q update && {start.apt_get}"),
        Way(name="maestro-agent upgrade", command="maestro-agent upgrade"),
    ]
    _show("archives downloaded before, lists refreshed", _in_turn(start, refreshing))
    downloading = [
        Way(name=_FLOOR, command=start.apt_get, before=_NO_ARCHIVES),
        Way(name=OURS, command=OURS, before=_NO_ARCHIVES),
    ]
    _show("archives downloaded by the command itself", _in_turn(start, downloading))


def _wall(rounds: list[Round]) -> float:
    return median(one.watched.wall_s for one in rounds)


def _held(rounds: list[Round]) -> float:
    return median(one.watched.lock_held_s for one in rounds)


def _cpu(rounds: list[Round]) -> float:
    return median(one.watched.cpu_s for one in rounds)
