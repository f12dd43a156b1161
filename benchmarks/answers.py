"""`status` and `check`, on a server with the distribution's package lists and real pending security updates."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import roots
from benchmarks.figures import Aims, cpu_ratio, show
from benchmarks.roots import CHECKOUT, Session
from benchmarks.timing import BARE_PYTHON, OPEN, measure
from tests.support import bases
from tests.support.machine import Machine, machine

_MOST_OF_PYTHON = 2.2
_MOST_OF_OPEN = 1.35
_MOST_OF_PYTHON_FOR_HELP = 8
_PTH = "find /usr/lib/python3 /usr/local/lib -name '*.pth'"


def status(codename: str, session: Session, aims: Aims) -> None:
    """Measure `status`, and the endpoint's command, against the start of a bare server's Python."""
    with _server(codename, session) as running:
        assert not running.check(_PTH), "a .pth file makes every start of Python slower: no bare server"
        figures = measure(running, [BARE_PYTHON, "maestro-agent status", "apt-get --version"], 41)
        show("status: an answer from the record", figures)
        aims.at_most("status, as a multiple of Python's start", cpu_ratio(figures[1], figures[0]), _MOST_OF_PYTHON)
    _measure_endpoint(aims)


def _measure_endpoint(aims: Aims) -> None:
    """Measure on an overlay over this machine, which has the endpoint's libraries."""
    with machine(Path("/")) as running:
        make = ["make", "-s", "-C", str(CHECKOUT), "install-endpoint", f"DESTDIR={running.root}"]
        subprocess.run(make, check=True)
        running.check(f"{_PTH} -delete; python3 -m compileall -q /usr/share/maestro-endpoint")
        commands = ["maestro-endpoint token --help", "maestro-endpoint --help", "maestro-endpoint token list"]
        for command in commands[:2]:
            running.check(command)
        figures = measure(running, [BARE_PYTHON, *commands], 11)
    show("maestro-endpoint: help, and a command that finds no configuration", figures)
    what = "maestro-endpoint token --help, as a multiple of Python's start"
    aims.at_most(what, cpu_ratio(figures[1], figures[0]), _MOST_OF_PYTHON_FOR_HELP)


def check(codename: str, session: Session, aims: Aims) -> None:
    """Measure `check --no-refresh` against opening apt's cache, where apt keeps it on disk as on any server."""
    with _server(codename, session) as running:
        packages = running.check(f"{OPEN[:-1]}; print(len(apt_pkg.Cache(None).packages))'").strip()
        pending = json.loads(running.run("maestro-agent check --no-refresh --json").stdout)["install"]
        print(f"\n{packages} packages known to apt, {len(pending)} security updates pending")
        before = _pkgcache(running)
        figures = measure(running, [OPEN, "maestro-agent check --no-refresh", "apt-get -s upgrade"], 15)
        assert _pkgcache(running) == before, "apt's pkgcache was made again between the rounds"
        slow = measure(running, ["unattended-upgrade --dry-run"], 1)  # it takes a minute
        show("check --no-refresh: a plan from the lists", figures + slow)
        aims.at_most("check, as a multiple of opening apt's cache", cpu_ratio(figures[1], figures[0]), _MOST_OF_OPEN)


def _pkgcache(running: Machine) -> int:
    """Return when apt's pkgcache was made; it must be there."""
    return running.path("/var/cache/apt/pkgcache.bin").stat().st_mtime_ns


@contextmanager
def _server(codename: str, session: Session) -> Iterator[Machine]:
    """Run a machine with the agent, package lists, apt's caches, and a history."""
    with machine(session.agent, bases.base(codename)) as running:
        roots.connect(running)
        roots.add_security(running, codename)
        roots.settle(running)
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
