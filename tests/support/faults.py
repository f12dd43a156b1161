"""Power cuts: an upgrade of many packages, killed with every process at a chosen point, and recovered by a second one.

All processes of a throwaway machine except its first, which only sleeps, are killed by one kill(2), so none outlives
another. Files stay as written: data that a process had handed to the kernel is not lost. After one more `upgrade` the
machine is compared, file by file, with one where no run was interrupted.
"""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import bases, crash_checks
from tests.support.crash_checks import RECORD
from tests.support.fault_packages import STATE, edit_conffiles, mix, still_offered
from tests.support.machine import Machine, machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario
from tests.support.server import serving

_AUTOMATIC = ("fault-base", "fault-chain-0", "fault-trigger", "fault-same:i386")
_TRIES = 5
_LONGEST_S = 300
_STRIDE = 10
_KILLER = r"""
import ctypes, json, os, re, select, signal, struct, sys
order = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
watching = libc.inotify_init1(0)
if order["directory"]:
    CREATED, MOVED_HERE = 0x100, 0x80
    if libc.inotify_add_watch(watching, order["directory"].encode(), CREATED | MOVED_HERE) < 0:
        sys.exit(f"cannot watch {order['directory']}")
print("ready", flush=True)
sys.stdin.readline()
def cut(why):
    os.kill(-1, signal.SIGKILL)
    print(why, flush=True)
    sys.exit()
left, rest = order["count"], order["after_s"]
while True:
    ready, _, _ = select.select([0, watching], [], [], rest)
    if watching in ready:
        data = os.read(watching, 65536)
        while data:
            size = struct.unpack_from("iIII", data)[3]
            name, data = data[16:16 + size].rstrip(b"\0").decode(), data[16 + size:]
            if re.fullmatch(order["pattern"], name):
                left -= 1
                if not left:
                    cut(name)
    elif 0 in ready:
        sys.exit()  # the run has ended by itself
    else:
        cut("time")
"""
"""Runs inside the machine. kill(-1) spares the first process and the caller."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a run is killed: after a fraction of its time, or when a file with a name appears in a directory."""

    name: str
    over_http: bool = False
    fraction: float | None = None
    directory: str = ""
    pattern: str = ".*"
    count: int = 1


@dataclass(kw_only=True)
class Verdict:
    """Result of one point."""

    point: Point
    problems: list[str] = field(default_factory=list)
    """Empty if the second run recovered everything."""
    recorded: bool = False
    """Whether the killed run had recorded its start."""
    arrived: int = 0
    """Packages that had their new version at the kill."""
    unfinished: int = 0
    """Packages that it left unfinished."""
    forgotten: list[str] = field(default_factory=list)
    """Conffiles for which dpkg itself has recorded the old checksum; see `crash_checks.forgotten_conffiles`."""
    unreported: int = 0
    """Changed packages that neither run's outcome names."""
    after_s: float = 0.0
    seconds: float = 0.0
    """Duration of the second run."""

    @property
    def phase(self) -> str:
        """How far the killed run had come, as text."""
        recorded = "recorded" if self.recorded else "not recorded"
        return f"{recorded}, {self.arrived} arrived, {self.unfinished} unfinished"


def timed_points(number: int) -> list[Point]:
    """Spread points evenly over the time of a run; every other one fetches over HTTP.

    Early and late ones alternate: the early ones measure how long a run takes while the machine's load changes.
    """
    points = [
        Point(name=f"t{index:03}", fraction=(index + 0.5) / number, over_http=index % 2 == 1) for index in range(number)
    ]
    return [points[index] for start in range(_STRIDE) for index in range(start, number, _STRIDE)]


def aimed_points() -> list[Point]:
    """Return points at the most delicate moments: while files are replaced and scripts run."""
    ran, dpkg, apt = f"{STATE}/ran", "/var/lib/dpkg", "/var/cache/apt/archives"
    aims: list[tuple[str, str, str, tuple[int, ...]]] = [
        ("record-written", f"{RECORD}/history", r".*\.json\.new-\d+", (1, 2, 3)),
        ("record-in-place", f"{RECORD}/history", r".*\.json", (1, 2, 3)),
        ("look-written", RECORD, r"state\.json\.new-\d+", (1, 2)),
        ("refresh-written", RECORD, r"refresh\.json\.new-\d+", (1,)),
        ("lists-fetched", "/var/lib/apt/lists/partial", ".*", (1, 3)),
        ("lists-in-place", "/var/lib/apt/lists", r".*(InRelease|Packages.*)", (1, 2)),
        ("marks-written", "/var/lib/apt", r"extended_states.*", (1, 2)),
        ("status-written", dpkg, "status-new", (1, 2, 3)),
        ("status-kept", dpkg, "status-old", (1, 2)),
        ("status-in-place", dpkg, "status", (1, 2)),
        ("journal-written", f"{dpkg}/updates", r"tmp\.i", (1, 40, 120, 200)),
        ("journal-in-place", f"{dpkg}/updates", r"\d+", (2, 60, 150, 240)),
        ("list-written", f"{dpkg}/info", r".*\.list-new", (1, 10, 30)),
        ("list-in-place", f"{dpkg}/info", r".*\.list", (2, 20, 40)),
        ("control-in-place", f"{dpkg}/info", r"fault-.*\.(postinst|postrm|triggers)", (1, 30, 60)),
        ("triggers-written", f"{dpkg}/triggers", ".*", (1, 2, 3)),
        ("files-written", "/usr/share/faults/fault-big-0", r".*\.dpkg-new", (1, 150, 300)),
        ("files-kept", "/usr/share/faults/fault-big-1", r".*\.dpkg-tmp", (1, 200)),
        ("files-in-place", "/usr/share/faults/fault-big-1", r"\d+", (1, 150, 300)),
        ("moved-file", "/usr/share/faults", r"moved.*", (1, 2)),
        ("essential", "/usr/bin", r"fault-tool.*", (1, 2, 3)),
        ("conffile-written", "/etc/fault-conf-0", r".*\.dpkg-new", (1, 3)),
        ("conffile-in-place", "/etc/fault-conf-0", r".*\.conf", (1, 3)),
        ("conffile-aside", "/etc/fault-conf-1", r".*\.dpkg-dist", (1, 2)),
        ("alternative", "/var/lib/dpkg/alternatives", "fault-.*", (1, 2)),
    ]
    scripts = [
        *("fault-plain-0.prerm.1", "fault-plain-1.preinst.2", "fault-plain-2.postrm.1", "fault-plain-3.postinst.2"),
        *("fault-essential.preinst.2", "fault-essential.postinst.2", "fault-base.prerm.1", "fault-base.postinst.2"),
        *("fault-new.preinst.2", "fault-new.postinst.2", "fault-from.prerm.1", "fault-trigger.postinst.2"),
        *("fault-same-i386.postrm.1", "fault-gone-0.preinst.2", "fault-big-0.postrm.1", "fault-cycle-1.postinst.2"),
        "fault-trigger.triggered.2",
    ]
    archives = [
        ("archive-fetched", f"{apt}/partial", ".*", (1, 20)),
        ("archive-in-place", apt, r".*\.deb", (1, 30, 45)),
    ]
    points = [
        Point(name=f"{name}-{count}", directory=directory, pattern=pattern, count=count)
        for name, directory, pattern, counts in aims
        for count in counts
    ]
    points += [Point(name=f"script-{name}", directory=ran, pattern=re.escape(name)) for name in scripts]
    points += [
        Point(name=f"{name}-{count}", directory=directory, pattern=pattern, count=count, over_http=True)
        for name, directory, pattern, counts in archives
        for count in counts
    ]
    return points


class Ground:
    """The start of all points of one release: a machine before the upgrade, and one after it."""

    def __init__(self, codename: str, layers: tuple[Path, ...], url: str) -> None:
        self.layers = layers
        self.codename = codename
        self.url = url
        self.durations: dict[bool, float] = {}
        """Duration of a run, by whether it downloads over HTTP."""
        self.wanted: dict[str, str] = {}
        self.after: Machine | None = None

    @contextlib.contextmanager
    def start(self, *, over_http: bool) -> Iterator[Machine]:
        """Run a machine before the upgrade."""
        with machine(*self.layers) as running:
            if over_http:
                source = running.path("/etc/apt/sources.list.d/security.list")
                text = source.read_text().replace("file:/srv", self.url)
                running.write("/etc/apt/sources.list.d/security.list", text)
            yield running


@contextlib.contextmanager
def ground(codename: str, agent_layer: Path, signer: Signer, scratch: Path, jobs: int = 2) -> Iterator[Ground]:
    """Prepare a release: install version 1 of everything, publish version 2, and run one upgrade without a kill."""
    layer = scratch / f"before-{codename}"
    with machine(agent_layer, bases.base(codename)) as running:
        _prepare(Scenario.without_sources(running, signer, codename))
        subprocess.run(
            ["cp", "-a", str(running.changes), str(layer)], check=True
        )  # with device nodes, which mark deleted files
    with serving(layer / "srv") as archive:
        made = Ground(codename, (layer, agent_layer, bases.base(codename)), archive.url)
        # Two at once, as the points run later, so that durations are comparable.
        with (
            made.start(over_http=False) as after,
            made.start(over_http=True) as other,
            ThreadPoolExecutor(jobs) as pool,
        ):
            made.durations = dict(zip((False, True), pool.map(_whole_run, (after, other)), strict=True))
            made.after = after
            made.wanted = crash_checks.versions(after)
            yield made


def _prepare(host: Scenario) -> None:
    running = host.machine
    running.check("dpkg --add-architecture i386")
    running.check(f"mkdir -p {STATE}/ran {STATE}/configured")
    running.write("/usr/bin/fault-tool", "works-1\n")  # the package's first script already needs it
    running.check("python3 -m compileall -q /usr/share/maestro-agent")  # as the package's postinst does
    old = mix("1")
    first = [one for one in old if one.name in {"fault-essential", "fault-base"}]
    host.install(*first)
    host.install(*(one for one in old if one not in first))
    running.check(f"apt-mark auto {' '.join(_AUTOMATIC)}")
    running.check(edit_conffiles())
    running.check(f"rm -f /srv/*.deb {STATE}/ran/*")
    host.repository("main", *(one for one in old if still_offered(one.name)))
    security = host.repository("security")
    running.check("sed -i 's/arch=amd64/arch=amd64,i386/' /etc/apt/sources.list.d/*.list")
    assert host.upgrade().json["result"] == "up-to-date"
    security.add(*mix("2"))
    later = time.time() + 5  # otherwise apt's If-Modified-Since in the same second is answered 304
    for file in security.directory.rglob("*Release"):
        os.utime(file, (later, later))
    assert not running.path(f"{STATE}/complaints").exists()


def _whole_run(running: Machine) -> float:
    started = time.monotonic()
    done = running.run("maestro-agent upgrade --json")
    assert done.returncode == 0, done
    return time.monotonic() - started


def run_point(made: Ground, point: Point, evidence: Path | None = None) -> Verdict:
    """Kill a run at a point, recover with one more upgrade, and compare; problems are in the verdict."""
    verdict = Verdict(point=point)
    try:
        _try_point(made, verdict, evidence)
    except (
        AssertionError,
        OSError,
        ValueError,
        subprocess.SubprocessError,
    ) as error:  # one failed point must not end the run
        verdict.problems.append(f"{type(error).__name__}: {error}")
    return verdict


def _try_point(made: Ground, verdict: Verdict, evidence: Path | None) -> None:
    point = verdict.point
    tries = _TRIES if point.fraction is not None else 2
    for _ in range(tries):
        with made.start(over_http=point.over_http) as running:
            verdict.after_s = made.durations[point.over_http] * (point.fraction or 0.0)
            if took := _cut_off(running, point, verdict.after_s):
                made.durations[point.over_http] = min(took, verdict.after_s or took)  # the machine is faster now
                continue
            _recover_and_compare(made, running, verdict)
            if (
                not verdict.arrived and not verdict.unfinished
            ):  # nothing was done before the kill: the duration of a whole run
                made.durations[point.over_http] = (made.durations[point.over_http] + verdict.seconds) / 2
            if verdict.problems and evidence is not None:
                crash_checks.keep_evidence(running, evidence / point.name, [verdict.phase, *verdict.problems])
            return
    verdict.problems.append(f"was never reached: {tries} runs ended before it")


def _cut_off(running: Machine, point: Point, after_s: float) -> float | None:
    """Start a run and kill it with all its children at the point; return its duration if it ended before that."""
    timed = point.fraction is not None
    aim = {"directory": point.directory, "pattern": point.pattern, "count": point.count}
    order = json.dumps({**aim, "after_s": after_s if timed else _LONGEST_S})
    running.write("/run/killer.py", _KILLER)
    enter = ["nsenter", "-t", str(running.leader), "-m", "-p", "-r", "-w", "python3", "/run/killer.py", order]
    with subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        assert killer.stdout.readline() == "ready\n", f"{point.name}: the killer did not start"
        killer.stdin.write("go\n")
        killer.stdin.flush()
        started = time.monotonic()
        with running.start("maestro-agent upgrade --json") as run:
            try:
                run.communicate(timeout=_LONGEST_S)
            finally:
                run.kill()
        took = time.monotonic() - started
        why, _ = killer.communicate()
    _wait_until_dead(running)
    return None if why else took


def _wait_until_dead(running: Machine) -> None:
    """Wait until only the first process is left: a killed process may stay in the kernel for a moment."""
    deadline = time.monotonic() + 60
    while left := crash_checks.alive(running):
        assert time.monotonic() < deadline, f"still alive: {left}"
        time.sleep(0.002)


def _recover_and_compare(made: Ground, running: Machine, verdict: Verdict) -> None:
    assert made.after is not None
    killed = crash_checks.records(running)[1:]  # the first one is the run that prepared the machine
    found = crash_checks.versions(running)
    verdict.recorded = bool(killed)
    verdict.arrived = sum(name.startswith("fault-") and made.wanted.get(name) == one for name, one in found.items())
    verdict.unfinished = sum("ok installed" not in state for state in found.values())
    verdict.problems += crash_checks.after_cut(running, made.layers[0], made.wanted, killed)
    started = time.monotonic()
    done = running.run("maestro-agent upgrade --json", timeout=_LONGEST_S)
    verdict.seconds = time.monotonic() - started
    verdict.problems += crash_checks.of_answer(done)
    verdict.problems += crash_checks.of_history(running, killed)
    verdict.problems += crash_checks.of_machine(running, made.after)
    verdict.forgotten = crash_checks.forgotten_conffiles(running)
    reported = {
        (one["package"], one["architecture"])
        for run in crash_checks.records(running)[1:]
        for kind in ("upgraded", "new", "repaired")
        for one in run[kind]
    }
    changed = sum(name.startswith("fault-") for name in made.wanted)
    verdict.unreported = max(0, changed - sum(name.startswith("fault-") for name, _ in reported))
