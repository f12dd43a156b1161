"""Planning: observe and decide with 60,000 packages and 0, 50, or 40 installable and 40 held updates pending.

The lists are the distribution's own without its security updates; pending updates come from signed repositories built
for the run. A held update needs a package that only an origin that is not allowed offers.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import roots
from benchmarks.figures import Aims, Figure, ratio, show
from benchmarks.roots import Session
from benchmarks.timing import OPEN, copy_in, measure
from benchmarks.watch import watch
from tests.support.machine import Machine, machine
from tests.support.repository import Signer, package
from tests.support.scenario import Scenario

_CASES = ((0, 0), (50, 0), (40, 40))
"""Installable and held updates."""
_ROUNDS = 11
_LIMIT = 1.5
_PEER = "unattended-upgrade --dry-run"
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources")


def planning(codename: str, session: Session, aims: Aims) -> None:
    """Measure a plan relative to opening apt's cache: inside one process, and for the whole process."""
    with tempfile.TemporaryDirectory() as keys, machine(session.agent, *roots.server(codename)) as running:
        signer = Signer(Path(keys, "gnupg"))
        try:
            host = _host(running, signer, codename)
            for installable, held in _CASES:
                _offer(host, installable, held)
                _measure_case(running, installable, held, aims)
        finally:
            signer.close()
        installable, held = _CASES[-1]
        seen = watch(running, _PEER)
        peer = Figure(command=_PEER, seconds=(seen.wall_s,), cpu=(seen.cpu_s,))
        show(f"planning {installable} + {held} pending: the peer, once", [*measure(running, [OPEN], 3), peer])


def _host(running: Machine, signer: Signer, codename: str) -> Scenario:
    kept = {name: running.path(name).read_text() for name in _SOURCES if running.path(name).exists()}
    host = Scenario.without_sources(running, signer, codename)
    for name, text in kept.items():
        running.write(name, text)
    running.write("/etc/apt/apt.conf.d/99peer", roots.PEER.format(codename=codename))
    roots.connect(running)
    return host


def _offer(host: Scenario, installable: int, held: int) -> None:
    """Install version 1 of the pending packages, and offer version 2."""
    new = [package(f"synthetic-ok{number:02}", "2") for number in range(installable)]
    new += [package(f"synthetic-kept{number:02}", "2", depends=f"synthetic-need{number:02}") for number in range(held)]
    if new:
        host.install(*(replace(one, version="1", fields=()) for one in new))
    host.machine.check("rm -rf /srv/security /srv/updates")
    host.repository("security", *new)
    host.repository("updates", *(package(f"synthetic-need{number:02}", "1") for number in range(held)))
    host.machine.check("apt-get -q update", timeout=roots.LISTS_S)
    roots.settle(host.machine)


def _measure_case(running: Machine, installable: int, held: int, aims: Aims) -> None:
    probe = f"PYTHONPATH=/usr/share/maestro-agent python3 {copy_in(running, 'planning.py')}"
    taken: dict[str, list[list[float]]] = {"open": [], "plan": []}
    for number in range(_ROUNDS + 1):
        for what, rows in taken.items():
            *seconds, planned = json.loads(running.check(f"{probe} {what}"))
            assert planned in (None, [installable, held]), planned
            if number:  # the first round warms the caches
                rows.append(seconds)
    name = f"planning {installable} + {held}"
    inside = [
        Figure(
            command=command,
            seconds=tuple(wall_s for wall_s, _ in taken[what]),
            cpu=tuple(cpu for _, cpu in taken[what]),
        )
        for what, command in (("open", "apt_pkg.Cache"), ("plan", "observe and decide"))
    ]
    show(f"{name} pending, inside one process", inside)
    aims.at_most(f"{name} in one process, as a multiple of opening apt's cache", ratio(inside[1], inside[0]), _LIMIT)
    whole = measure(running, [OPEN, "maestro-agent check --no-refresh", "apt-get -s upgrade"], _ROUNDS)
    show(f"{name} pending, whole process", whole)
    aims.at_most(f"{name} as a whole process, as a multiple of that", ratio(whole[1], whole[0]), _LIMIT)
