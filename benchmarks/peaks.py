"""Peak memory of a check with refresh and of an upgrade, beside apt-get's.

Of all processes together: the sum of their proportional set sizes (PSS), sampled from outside. A page that several
share, as of a library, counts once. Files that a process maps count, the page cache does not.
"""

from benchmarks import roots, upgrades
from benchmarks.figures import Aims
from benchmarks.roots import Session
from benchmarks.timing import copy_in
from benchmarks.watch import Watched, watch
from tests.support.machine import Machine, machine

_ROUNDS = 3
_MOST_OF_PEER = 1.1
_MARGIN_MIB = 40
_CACHES = "/var/cache/apt/*pkgcache.bin"
_BEFORE = {
    "nothing new": "true",
    "new lists": f"rm -f /var/lib/apt/lists/*security* {_CACHES}",
}
"""What is done before each command: as on most days, and as after a change of the archive."""


def memory(codename: str, session: Session, aims: Aims) -> None:
    """Measure peaks, in runs of their own because sampling costs time."""
    with machine(session.agent, *roots.patched(codename)) as running:
        roots.connect(running)
        roots.add_security(running, codename)
        roots.settle(running)
        _measure_checks(running, "nothing pending", aims)
    start = upgrades.starting_root(codename, session, aims)
    with machine(*start.layers) as running:
        roots.connect(running)
        _measure_checks(running, "updates pending", aims)
    _measure_upgrades(start, aims)


def _measure_checks(running: Machine, pending: str, aims: Aims) -> None:
    check = f"python3 -IS {copy_in(running, 'job.py')} check"
    running.check(check)
    commands = {"agent": check, "update": "apt-get -q update", "plan": "apt-get -q -s upgrade"}
    for case, before in _BEFORE.items():
        peaks = {name: _peak(running, command, before) for name, command in commands.items()}
        _show(f"a check with refresh, {pending}, {case}", peaks)
        for what, size in (("all processes", _all), ("the largest process", _largest)):
            peer = max(size(peaks["update"]), size(peaks["plan"]))
            name = f"peak of {what}, check with refresh, {pending}, {case}, as a multiple of apt-get's"
            aims.at_most(name, size(peaks["agent"]) / peer, _MOST_OF_PEER)


def _peak(running: Machine, command: str, before: str) -> Watched:
    """Return the middle run: a sample may miss the peak, or read one process before and another after it."""
    runs = []
    for _ in range(_ROUNDS):
        running.check(before)
        runs.append(watch(running, command, memory=True))
    return sorted(runs, key=_all)[_ROUNDS // 2]


def _measure_upgrades(start: upgrades.Start, aims: Aims) -> None:
    found = {}
    for name, command in (("apt-get", start.apt_get), ("agent", upgrades.OURS)):
        with machine(*start.layers) as running:
            found[name] = watch(running, command, memory=True)
    _show("an upgrade", found)
    over = (_all(found["agent"]) - _all(found["apt-get"])) / 1024
    aims.at_most("peak memory of an upgrade over apt-get's", over, _MARGIN_MIB, " MB")


def _show(title: str, found: dict[str, Watched]) -> None:
    print(f"\n{title}\n{'all':>9} {'largest':>9}  peak of all processes together (PSS), and of the largest one (RSS)")
    for name, seen in found.items():
        print(f"{seen.pss_kib / 1024:6.1f} MB {seen.rss_kib / 1024:6.1f} MB  {name}", flush=True)


def _all(seen: Watched) -> int:
    return seen.pss_kib


def _largest(seen: Watched) -> int:
    return seen.rss_kib
