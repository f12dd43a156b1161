"""Power cuts: one upgrade of many packages, killed with every process at a chosen point, and what a second one mends.

All processes of a throwaway machine but its first, which only sleeps, are killed by one kill(2), so none outlives
another; files stay as they were written, for nothing here can lose what a process had handed to the kernel. The
machine that one more `upgrade` leaves behind is compared, file by file, with one where nothing was cut off.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import bases
from tests.support.fault_packages import STATE, edit_conffiles, mix, still_offered
from tests.support.machine import Machine, machine
from tests.support.repository import Signer
from tests.support.scenario import Scenario
from tests.support.server import serving

RECORD = "/var/lib/maestro-agent"
_AUTOMATIC = ("fault-base", "fault-chain-0", "fault-trigger", "fault-same:i386")
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
"""Runs inside the machine. kill(-1) spares the first process of the machine and its caller."""
_APART = re.compile(
    # what a run writes for people, and what it may leave in its own caches
    r"var/(log|lib/maestro-agent|lib/apt/lists)/.*|var/cache/apt/([^/]*\.bin|archives/(lock|partial))|.*/__pycache__/.*"
    # what differs from point to point, or is gone after a power cut
    r"|etc/apt/sources\.list\.d/security\.list|var/lib/faults/ran/.*|(tmp|root|run|dev|proc)(/.*)?"
    # dpkg's backup of what it replaced last, and dpkg's locks
    r"|var/lib/dpkg/(status-old|lock|lock-frontend|triggers/Lock)"
)
"""Paths in which a mended machine may differ from one where nothing was cut off."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a run is cut off: after a part of its time, or when a file of a name comes to a directory."""

    name: str
    over_http: bool = False
    fraction: float | None = None
    directory: str = ""
    pattern: str = ".*"
    count: int = 1


@dataclass(kw_only=True)
class Verdict:
    """What came of one point."""

    point: Point
    problems: list[str] = field(default_factory=list)
    """Empty where the second run mended everything."""
    phase: str = ""
    """How far the killed run had come."""
    after_s: float = 0.0
    seconds: float = 0.0
    """What the second run took."""


def timed_points(number: int) -> list[Point]:
    """Spread points evenly over the time of a run; every other one fetches over HTTP."""
    return [
        Point(name=f"t{index:03}", fraction=(index + 0.5) / number, over_http=index % 2 == 1) for index in range(number)
    ]


def aimed_points() -> list[Point]:
    """Return points at what is most delicate: files that are being replaced, scripts that are running."""
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
        ("moved-file", "/usr/share/faults", r"moved.*", (1, 2, 3)),
        ("essential", "/usr/bin", r"fault-tool.*", (1, 2, 3)),
        ("conffile-written", "/etc/fault-conf-0", r".*\.dpkg-new", (1, 3)),
        ("conffile-in-place", "/etc/fault-conf-0", r".*\.conf", (1, 3)),
        ("conffile-aside", "/etc/fault-conf-1", r".*\.dpkg-dist", (1, 2)),
        ("alternative", "/etc/alternatives", "fault-.*", (1,)),
    ]
    scripts = [
        *("fault-plain-0.prerm.1", "fault-plain-1.preinst.2", "fault-plain-2.postrm.1", "fault-plain-3.postinst.2"),
        *("fault-essential.preinst.2", "fault-essential.postinst.2", "fault-base.prerm.1", "fault-base.postinst.2"),
        *("fault-new.preinst.2", "fault-new.postinst.2", "fault-from.prerm.1", "fault-trigger.postinst.2"),
        *("fault-same-i386.postrm.1", "fault-gone-0.preinst.2", "fault-big-0.postrm.1", "fault-cycle-1.postinst.2"),
    ]
    archives = [
        ("archive-fetched", f"{apt}/partial", ".*", (1, 20)),
        ("archive-in-place", apt, r".*\.deb", (1, 30, 47)),
    ]
    points = [
        Point(name=f"{name}-{count}", directory=directory, pattern=pattern, count=count)
        for name, directory, pattern, counts in aims
        for count in counts
    ]
    points += [Point(name=f"script-{name}", directory=ran, pattern=re.escape(name)) for name in scripts]
    points += [Point(name="trigger-again", directory=ran, pattern="fault-trigger.postinst.2", count=2)]
    points += [
        Point(name=f"{name}-{count}", directory=directory, pattern=pattern, count=count, over_http=True)
        for name, directory, pattern, counts in archives
        for count in counts
    ]
    return points


class Ground:
    """What all points of one release start from: a machine as it was before the upgrade, and one as it is after."""

    def __init__(self, codename: str, layers: tuple[Path, ...], url: str) -> None:
        self.layers = layers
        self.codename = codename
        self.url = url
        self.durations: dict[bool, float] = {}
        """How long a run takes, over HTTP or not."""
        self.wanted: dict[str, str] = {}
        self.after: Machine | None = None

    @contextlib.contextmanager
    def start(self, *, over_http: bool) -> Iterator[Machine]:
        """Run a machine on which the upgrade is still to be done."""
        with machine(*self.layers) as running:
            if over_http:
                source = running.path("/etc/apt/sources.list.d/security.list")
                text = source.read_text().replace("file:/srv", self.url)
                running.write("/etc/apt/sources.list.d/security.list", text)
            yield running


@contextlib.contextmanager
def ground(codename: str, agent_layer: Path, signer: Signer, scratch: Path, jobs: int = 2) -> Iterator[Ground]:
    """Prepare a release: install version 1 of everything, publish version 2, and see what a whole run makes of it."""
    layer = scratch / f"before-{codename}"
    with machine(agent_layer, bases.base(codename)) as running:
        _prepare(Scenario.without_sources(running, signer, codename))
        subprocess.run(["cp", "-a", str(running.changes), str(layer)], check=True)  # with devices: deleted files
    with serving(layer / "srv") as archive:
        made = Ground(codename, (layer, agent_layer, bases.base(codename)), archive.url)
        # Two at once, as the points are run later, so that times compare.
        with (
            made.start(over_http=False) as after,
            made.start(over_http=True) as other,
            ThreadPoolExecutor(jobs) as pool,
        ):
            made.durations = dict(zip((False, True), pool.map(_whole_run, (after, other)), strict=True))
            made.after = after
            made.wanted = _versions(after)
            yield made


def _prepare(host: Scenario) -> None:
    running = host.machine
    running.check("dpkg --add-architecture i386")
    running.check(f"mkdir -p {STATE}/ran {STATE}/configured")
    running.write("/usr/bin/fault-tool", "echo 1\n")  # its own package's first script wants it already
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
    assert host.upgrade().json["result"] == "up-to-date"
    security.add(*mix("2"))
    later = time.time() + 5  # or apt, which asks "if modified since" in the same second, gets a no
    for file in security.directory.rglob("*Release"):
        os.utime(file, (later, later))
    assert not running.path(f"{STATE}/complaints").exists()


def _whole_run(running: Machine) -> float:
    started = time.monotonic()
    done = running.run("maestro-agent upgrade --json")
    assert done.returncode == 0, done
    return time.monotonic() - started


def run_point(made: Ground, point: Point, evidence: Path | None = None) -> Verdict:
    """Cut a run off at a point, let one more upgrade mend it, and compare; what was found wrong is in the verdict."""
    verdict = Verdict(point=point)
    factor = 1.0
    for _ in range(6):
        with made.start(over_http=point.over_http) as running:
            verdict.after_s = made.durations[point.over_http] * (point.fraction or 0.0) * factor
            if not _cut_off(running, point, verdict.after_s):
                factor *= 0.9  # that run was a faster one: it was over before it could be cut off
                continue
            _mend_and_judge(made, running, verdict)
            if verdict.problems and evidence is not None:
                _keep_evidence(running, evidence / point.name, verdict)
            return verdict
    verdict.problems.append("was never reached: every run was over before it")
    return verdict


def _cut_off(running: Machine, point: Point, after_s: float) -> bool:
    """Start a run and kill it, with all that it started, at the point; return False where it ended before that."""
    timed = point.fraction is not None
    order = {
        "directory": point.directory,
        "pattern": point.pattern,
        "count": point.count,
        "after_s": after_s if timed else 120,
    }
    running.write("/run/killer.py", _KILLER)
    enter = ["nsenter", "-t", str(running.leader), "-m", "-p", "-r", "-w", "python3", "/run/killer.py"]
    with subprocess.Popen(
        [*enter, json.dumps(order)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        assert killer.stdout.readline() == "ready\n", f"{point.name}: the killer did not start"
        killer.stdin.write("go\n")
        killer.stdin.flush()
        with running.start("maestro-agent upgrade --json") as run:
            run.communicate(timeout=180)
        why, _ = killer.communicate()
    _wait_until_dead(running)
    return why != "" and (timed or why != "time\n")


def _wait_until_dead(running: Machine) -> None:
    """Wait until nothing but the first process is left: what was killed may be a moment in the kernel yet."""
    deadline = time.monotonic() + 20
    while left := _alive(running):
        assert time.monotonic() < deadline, f"still alive: {left}"
        time.sleep(0.002)


def _alive(running: Machine) -> list[str]:
    """Return the processes of a machine besides its first, without the dead of which nobody has taken note."""
    found = []
    for entry in running.path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != "1":
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                if rest.split()[0] not in {"Z", "X"}:
                    found.append(f"{name} (pid {entry.name})")
    return found


def _mend_and_judge(made: Ground, running: Machine, verdict: Verdict) -> None:
    killed = _records(running)[1:]  # the first is of the run that prepared the machine
    arrived, unfinished = _progress(made, running)
    verdict.phase = f"{arrived} arrived, {unfinished} unfinished, {'on' if killed else 'no'} record"
    _judge_cut(made, running, verdict, killed)
    started = time.monotonic()
    done = running.run("maestro-agent upgrade --json", timeout=300)
    verdict.seconds = time.monotonic() - started
    _judge_answer(verdict, done)
    _judge_history(running, verdict, killed)
    _judge_packages(made, running, verdict)
    _judge_files(made, running, verdict)
    left = _alive(running)
    if left:
        verdict.problems.append(f"left running: {', '.join(left)}")
    again = running.run("maestro-agent check --no-refresh --json")
    if again.returncode:
        verdict.problems.append(f"check afterwards: exit {again.returncode}: {again.stderr.strip()[-300:]}")


def _records(running: Machine) -> list[dict[str, Any]]:
    """Return the runs on record as they lie on disk, oldest first."""
    files = sorted(running.path(f"{RECORD}/history").glob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def _judge_cut(made: Ground, running: Machine, verdict: Verdict, killed: list[dict[str, Any]]) -> None:
    """Judge what the killed run left before anybody mends it."""
    changed = _status(running) != _status_in(made.layers[0])
    if not killed and changed:
        verdict.problems.append("packages were touched before the run was on record")
    if killed and killed[0]["finished_at"] is not None and _versions(running) != made.wanted:
        verdict.problems.append(f"on record as {killed[0]['result']} while packages were still to come")
    status = running.run("maestro-agent status --json")
    if "Traceback" in status.stderr or (killed and json.loads(status.stdout)["last_run"]["id"] != killed[0]["id"]):
        verdict.problems.append(f"status after the cut: {status.stdout[:300]} {status.stderr[-300:]}")


def _judge_answer(verdict: Verdict, done: "subprocess.CompletedProcess[str]") -> None:
    if "Traceback" in done.stderr:
        verdict.problems.append(f"traceback: {done.stderr.strip()[-600:]}")
    if done.returncode:
        verdict.problems.append(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    if not done.stdout:
        return
    outcome = json.loads(done.stdout)
    if outcome["result"] not in {"updated", "up-to-date"}:
        verdict.problems.append(f"result {outcome['result']}: {outcome['message']}")
    verdict.problems += [f"{name}: {outcome[name]}" for name in ("held", "failed", "removed") if outcome[name]]


def _judge_history(running: Machine, verdict: Verdict, killed: list[dict[str, Any]]) -> None:
    answer = running.run("maestro-agent history --json")
    if answer.returncode or answer.stderr:
        verdict.problems.append(f"history: exit {answer.returncode}: {answer.stderr[-300:]}")
        return
    runs = json.loads(answer.stdout)["runs"]
    if len(runs) != 2 + len(killed):
        verdict.problems.append(f"history names {len(runs)} runs, not {2 + len(killed)}")
    for run in killed:
        one = running.run(f"maestro-agent history {run['id']} --json")
        told = json.loads(one.stdout) if one.returncode == 0 else {}
        words = "interrupted" if run["finished_at"] is None else "updated"
        if told.get("result") != words or told.get("finished_at") != run["finished_at"]:
            verdict.problems.append(f"history calls the killed run {told.get('result')}, not {words}")


def _judge_packages(made: Ground, running: Machine, verdict: Verdict) -> None:
    found = _versions(running)
    for name in sorted(found.keys() | made.wanted.keys()):
        if found.get(name) != made.wanted.get(name):
            verdict.problems.append(f"{name} is {found.get(name)}, not {made.wanted.get(name)}")
    audit = running.run("dpkg --audit")
    if audit.stdout or audit.stderr or audit.returncode:
        verdict.problems.append(f"dpkg --audit: {audit.stdout[:300]}{audit.stderr[:300]}")
    complaints = running.path(f"{STATE}/complaints")
    if complaints.exists():
        verdict.problems += [f"script: {line}" for line in complaints.read_text().splitlines()[:5]]


def _judge_files(made: Ground, running: Machine, verdict: Verdict) -> None:
    """Compare all that either machine has changed, and look for what was left behind."""
    assert made.after is not None
    paths = _changed_paths(running) | _changed_paths(made.after)
    for path in sorted(paths):
        found, wanted = _content(running, path), _content(made.after, path)
        if found != wanted:
            verdict.problems.append(f"/{path} is {found}, not {wanted}")
    known = re.compile(r"lock|state\.json|refresh\.json|history(/[0-9TZ-]+\.(json|log))?")
    record = running.path(RECORD)
    for file in sorted(record.rglob("*")):
        name = file.relative_to(record).as_posix()
        if not known.fullmatch(name):
            verdict.problems.append(f"left behind: {RECORD}/{name}")


def _changed_paths(running: Machine) -> set[str]:
    changes = running.changes
    found = set()
    for directory, inner, files in os.walk(changes):
        for name in (*inner, *files):
            path = os.path.relpath(os.path.join(directory, name), changes)
            if not _APART.fullmatch(path):
                found.add(path)
    return found


def _content(running: Machine, path: str) -> str:
    """Return what stands at a path in a few words: kind, mode and digest."""
    place = running.path(path)
    try:
        mode = os.lstat(place).st_mode
        if stat.S_ISDIR(mode):
            return f"a directory {stat.S_IMODE(mode):o}"
        if stat.S_ISLNK(mode):
            return f"a link to {os.readlink(place)}"
        if not stat.S_ISREG(mode):
            return "a device"
        data = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return "not there"
    if path in {"var/lib/dpkg/status", "var/lib/apt/extended_states"}:
        data = b"\n\n".join(sorted(data.strip().split(b"\n\n")))  # the order of packages means nothing
    return f"a file {stat.S_IMODE(mode):o} {hashlib.sha256(data).hexdigest()[:12]}"


def _versions(running: Machine) -> dict[str, str]:
    """Return state and version of every package."""
    shown = running.check("dpkg-query -W -f '${binary:Package} ${Status} ${Version}\\n'").splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in shown}


def _progress(made: Ground, running: Machine) -> tuple[int, int]:
    """Return how many packages are where they shall be, and how many dpkg has not finished."""
    found = _versions(running)
    arrived = sum(name.startswith("fault-") and state == made.wanted.get(name) for name, state in found.items())
    return arrived, sum("ok installed" not in state for state in found.values())


def _status(running: Machine) -> bytes:
    return running.path("/var/lib/dpkg/status").read_bytes() + b"".join(
        file.read_bytes() for file in sorted(running.path("/var/lib/dpkg/updates").glob("[0-9]*"))
    )


def _status_in(layer: Path) -> bytes:
    return (layer / "var/lib/dpkg/status").read_bytes()


def _keep_evidence(running: Machine, place: Path, verdict: Verdict) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "problems").write_text("".join(f"{problem}\n" for problem in (verdict.phase, *verdict.problems)))
    shutil.copytree(running.path(RECORD), place / "record", dirs_exist_ok=True)
    for name in ("/var/lib/dpkg/status", "/var/log/dpkg.log", "/var/log/apt/term.log", f"{STATE}/complaints"):
        with contextlib.suppress(OSError):
            shutil.copy(running.path(name), place / Path(name).name)
