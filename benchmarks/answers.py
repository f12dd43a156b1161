"""`status` and `check`, on a server with the distribution's package lists and real pending security updates."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import roots
from benchmarks.figures import Aims, ratio, show
from benchmarks.roots import Session
from benchmarks.timing import OPEN, PYTHON, measure
from tests.support import bases
from tests.support.machine import Machine, machine


def status(codename: str, session: Session, aims: Aims) -> None:
    """Measure `status` against the start of Python."""
    with _server(codename, session) as running:
        figures = measure(running, [PYTHON, "maestro-agent status", "apt-get --version"], 41)
        show("status: an answer from the record", figures)
        aims.at_most("status, as a multiple of Python's start", ratio(figures[1], figures[0]), 3)


def check(codename: str, session: Session, aims: Aims) -> None:
    """Measure `check --no-refresh` against opening apt's cache."""
    with _server(codename, session) as running:
        packages = running.check(f"{OPEN[:-1]}; print(len(apt_pkg.Cache(None).packages))'").strip()
        pending = json.loads(running.run("maestro-agent check --no-refresh --json").stdout)["install"]
        print(f"\n{packages} packages known to apt, {len(pending)} security updates pending")
        figures = measure(running, [OPEN, "maestro-agent check --no-refresh", "apt-get -s upgrade"], 15)
        slow = measure(running, ["unattended-upgrade --dry-run"], 3)
        show("check --no-refresh: a plan from the lists", figures + slow)
        aims.at_most("check, as a multiple of opening apt's cache", ratio(figures[1], figures[0]), 2)


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
