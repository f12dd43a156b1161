"""This tree beside an earlier revision of it, in one run: `status`, `check --no-refresh`, a heartbeat, idle memory."""

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import earlier, roots
from benchmarks.figures import Aims, Figure, cpu_ratio, ratio, show
from benchmarks.loopback import DROP_IN, endpoint, settings
from benchmarks.roots import Session
from benchmarks.timing import PYTHON, measure
from tests.support import bases
from tests.support.machine import Machine, machine

_NEW = "maestro-agent"
_NOISE = 1.05
"""How far two runs of the same tree have been seen apart."""
_IDLE_S = 60
_TRIPS = 21


def before(codename: str, session: Session, aims: Aims) -> None:
    """Measure both trees on one machine; every limit is the earlier tree's own figure."""
    if not earlier.is_known():
        return
    with machine(session.agent, bases.base(codename, bases.BOOTED)) as running:
        earlier.install(running, session.scratch / "before")
        _measure_commands(running, codename, aims)
        _measure_heartbeat(running, session.scratch, aims)
        _measure_idle(running, aims)


def _measure_commands(running: Machine, codename: str, aims: Aims) -> None:
    roots.connect(running)
    roots.add_security(running, codename)
    roots.settle(running)
    running.run("maestro-agent check")
    figures = measure(running, [PYTHON, f"{earlier.COMMAND} status", f"{_NEW} status"], 2 * _TRIPS)
    show("status: the earlier tree, then this one", figures)
    aims.at_most("status, as a multiple of Python's start", ratio(figures[2], figures[0]), 3)
    _compare("status", figures[1:], aims)
    figures = measure(running, [f"{command} check --no-refresh" for command in (earlier.COMMAND, _NEW)], _TRIPS)
    show("check --no-refresh: the earlier tree, then this one", figures)
    _compare("check --no-refresh", figures, aims)


def _compare(what: str, figures: Sequence[Figure], aims: Aims) -> None:
    """Hold this tree's figure against the earlier one's: processor time, round by round, and peak memory."""
    old, new = figures
    aims.at_most(f"{what}: processor time, as a multiple of {earlier.REVISION}'s", cpu_ratio(new, old), _NOISE)
    aims.at_most(f"{what}: peak memory, as a multiple of {earlier.REVISION}'s", new.rss_kib / old.rss_kib, _NOISE)


def _measure_heartbeat(running: Machine, scratch: Path, aims: Aims) -> None:
    with endpoint(running, scratch / "endpoint") as server:
        running.write(DROP_IN, settings(server.port))
        sides = (f"{earlier.COMMAND} {earlier.export_verb(running)}", f"{_NEW} export-endpoint")
        commands = [
            f"{command} --state-dir /srv/state-{number} --run-dir /srv/run-{number}"
            for number, command in enumerate(sides)
        ]
        running.check("mkdir -p /srv/run-0 /srv/run-1")
        for command in commands:
            running.check(command)  # the first sends the state and the events of a new outbox
        figures = measure(running, commands, _TRIPS)
    show("a heartbeat: the earlier tree, then this one", figures)
    _compare("a heartbeat", figures, aims)


def _measure_idle(running: Machine, aims: Aims) -> None:
    running.check(f"rm -f {DROP_IN}")
    for number, command in enumerate((earlier.COMMAND, _NEW)):
        options = f"--state-dir /srv/idle-{number} --run-dir /srv/idle-run-{number}"
        running.check(
            f"mkdir -p /srv/idle-{number}; setsid {command} run {options} >/dev/null 2>&1 & echo $! >/srv/pid-{number}"
        )
    time.sleep(_IDLE_S)
    print(f"\nthe daemon after {_IDLE_S} s: the earlier tree, then this one")
    # Both are read before either ends: what they share is each one's half only as long as both run.
    rollups = [running.check(f"cat /proc/$(cat /srv/pid-{number})/smaps_rollup") for number in range(2)]
    running.check("kill $(cat /srv/pid-0 /srv/pid-1)")
    sizes = []
    for rollup in rollups:
        found = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        sizes.append(found["Pss:"])
        print(f"{found['Rss:'] / 1024:6.1f} MiB resident {found['Pss:'] / 1024:6.1f} MiB proportional", flush=True)
    what = f"idle daemon: proportional memory, as a multiple of {earlier.REVISION}'s"
    aims.at_most(what, sizes[1] / sizes[0], _NOISE)
