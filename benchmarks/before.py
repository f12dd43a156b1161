"""This tree beside an earlier revision of it, in one run: `status`, `check --no-refresh`, a heartbeat, the idle daemon.

The revision comes from git: 8f639af, the last one before the rooms were laid, or what MAESTRO_BENCH_BEFORE names.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks import roots
from benchmarks.figures import Aims, Figure, ratio, show
from benchmarks.roots import CHECKOUT, Session
from benchmarks.timing import PYTHON, measure
from tests.support import bases
from tests.support.authority import Authority
from tests.support.endpoint_server import EndpointServer, free_port
from tests.support.fault_proxy import private_file
from tests.support.machine import Machine, machine

REVISION = os.environ.get("MAESTRO_BENCH_BEFORE", "8f639af")
_PLACE = "/srv/before"
_OLD, _NEW = f"{_PLACE}/usr/bin/maestro-agent", "maestro-agent"
_EXPORT = "export-endpoint"
_FIRST_HIDDEN = re.compile(r'_PARTS = \{\s*"([a-z-]+)"')
"""In the earlier tree's agent/cli/main.py: its own hidden command that exports to the endpoint."""
_NOISE = 1.05
"""How far two runs of the same tree have been seen apart."""
_IDLE_S = 60
_TRIPS = 21


def before(codename: str, session: Session, aims: Aims) -> None:
    """Measure both trees on one machine; every limit is the earlier tree's own figure."""
    if subprocess.run(["git", "cat-file", "-e", REVISION], cwd=CHECKOUT, check=False).returncode:
        print(f"\nnothing: this checkout has no revision {REVISION}")
        return
    with machine(session.agent, bases.base(codename, bases.BOOTED)) as running:
        _install_before(running, session.scratch / "before")
        _measure_commands(running, codename, aims)
        _measure_heartbeat(running, session.scratch, aims)
        _measure_idle(running, aims)


def _install_before(running: Machine, scratch: Path) -> None:
    """Put the earlier tree beside this one, on a path of its own."""
    tree, installed = scratch / "tree", scratch / "installed"
    shutil.rmtree(scratch, ignore_errors=True)
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", REVISION], cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    subprocess.run(["make", "-s", "-C", str(tree), "install", f"DESTDIR={installed}"], check=True)
    for script in (installed / "usr/bin/maestro-agent", installed / "usr/libexec/maestro-agent/worker"):
        script.write_text(re.sub(r'"(/usr/share/maestro-agent)"', rf'"{_PLACE}\1"', script.read_text()))
    shutil.copytree(installed, running.path(_PLACE))
    running.check(f"python3 -m compileall -q {_PLACE}")


def _measure_commands(running: Machine, codename: str, aims: Aims) -> None:
    roots.connect(running)
    roots.add_security(running, codename)
    roots.settle(running)
    running.run("maestro-agent check")
    figures = measure(running, [PYTHON, f"{_OLD} status", f"{_NEW} status"], 2 * _TRIPS)
    show("status: the earlier tree, then this one", figures)
    aims.at_most("status, as a multiple of Python's start", ratio(figures[2], figures[0]), 3)
    _compare("status", figures[1:], aims)
    figures = measure(running, [f"{command} check --no-refresh" for command in (_OLD, _NEW)], _TRIPS)
    show("check --no-refresh: the earlier tree, then this one", figures)
    _compare("check --no-refresh", figures, aims)


def _compare(what: str, figures: Sequence[Figure], aims: Aims) -> None:
    """Hold this tree's figure against the earlier one's: processor time, round by round, and peak memory."""
    old, new = figures
    pairs = [ours / theirs for theirs, ours in zip(old.cpu, new.cpu, strict=True)]
    aims.at_most(f"{what}: processor time, as a multiple of {REVISION}'s", median(pairs), _NOISE)
    aims.at_most(f"{what}: peak memory, as a multiple of {REVISION}'s", new.rss_kib / old.rss_kib, _NOISE)


def _old_export(running: Machine) -> str:
    found = _FIRST_HIDDEN.search(running.path(f"{_PLACE}/usr/share/maestro-agent/agent/cli/main.py").read_text())
    return found[1] if found else _EXPORT


def _measure_heartbeat(running: Machine, scratch: Path, aims: Aims) -> None:
    with _endpoint(running, scratch / "endpoint"):
        commands = [
            f"{command} --state-dir /srv/state-{number} --run-dir /srv/run-{number}"
            for number, command in enumerate((f"{_OLD} {_old_export(running)}", f"{_NEW} {_EXPORT}"))
        ]
        running.check("mkdir -p /srv/run-0 /srv/run-1")
        for command in commands:
            running.check(command)  # the first sends the state and the events of a new outbox
        figures = measure(running, commands, _TRIPS)
    show("a heartbeat: the earlier tree, then this one", figures)
    _compare("a heartbeat", figures, aims)


@contextmanager
def _endpoint(running: Machine, directory: Path) -> Iterator[None]:
    """Serve a reference endpoint on loopback, and configure the agents for it."""
    directory.mkdir()
    authority = Authority.make(directory / "ca")
    database = f"sqlite:///{directory}/endpoint.db"
    server = EndpointServer(directory=directory, authority=authority, database=database, port=free_port())
    server.configure()
    server.start()
    try:
        token = private_file(directory / "token", f"{server.token('--name', 'bench')}\n")
        running.write("/etc/maestro-agent/token", token.read_text())
        running.write("/etc/maestro-agent/ca.pem", authority.file.read_text())
        settings = f'[endpoint]\nurl = "https://127.0.0.1:{server.port}"\ntoken_file = "/etc/maestro-agent/token"\n'
        running.write("/etc/maestro-agent/config.d/bench.toml", f'{settings}ca_file = "/etc/maestro-agent/ca.pem"\n')
        yield
    finally:
        server.stop()


def _measure_idle(running: Machine, aims: Aims) -> None:
    running.check("rm -f /etc/maestro-agent/config.d/bench.toml")
    for number, command in enumerate((_OLD, _NEW)):
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
    aims.at_most(f"idle daemon: proportional memory, as a multiple of {REVISION}'s", sizes[1] / sizes[0], _NOISE)
