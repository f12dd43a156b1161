"""State after a killed run, and whether one more run recovered it: compared with a machine without a kill."""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from tests.support.fault_packages import STATE, renewed_conffiles
from tests.support.machine import Machine

RECORD = "/var/lib/maestro-agent"
_APART = re.compile(
    # logs, and caches of the run
    r"var/(log|lib/maestro-agent|lib/apt/lists)/.*|var/cache/apt/([^/]*\.bin|archives/(lock|partial))|.*/__pycache__/.*"
    # differs from point to point, or is lost in a power cut
    r"|etc/apt/sources\.list\.d/security\.list|var/lib/faults/ran/.*|(tmp|root|run|dev|proc)(/.*)?"
    # left by libapt when it is killed; apt never removes it
    r"|var/lib/apt/extended_states\.\w{6}|var/cache/apt/archives/partial/\.apt-acquire-privs-test\.\w{6}"
    # dpkg's backup of its last status file, and dpkg's locks
    r"|var/lib/dpkg/(status-old|lock|lock-frontend|triggers/Lock)"
)
"""Paths in which a recovered machine may differ from one without a kill."""


def alive(running: Machine) -> list[str]:
    """Return the processes of a machine except its first, without zombies."""
    found = []
    for entry in running.path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != "1":
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                if rest.split()[0] not in {"Z", "X"}:
                    found.append(f"{name} (pid {entry.name})")
    return found


def records(running: Machine) -> list[dict[str, Any]]:
    """Return the recorded runs as they are on disk, oldest first."""
    # By id: sorting file names would put the second run of a second ("…Z-002.json") before the first ("…Z.json").
    files = sorted(running.path(f"{RECORD}/history").glob("*.json"), key=lambda file: file.stem)
    return [json.loads(file.read_text()) for file in files]


def versions(running: Machine) -> dict[str, str]:
    """Return state and version of every package."""
    shown = running.check("dpkg-query -W -f '${binary:Package} ${Status} ${Version}\\n'").splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in shown}


def after_cut(running: Machine, layer: Path, wanted: dict[str, str], killed: list[dict[str, Any]]) -> list[str]:
    """Return problems after the kill, before recovery; `layer` is the state before the run."""
    problems = []
    if not killed and _status(running) != (layer / "var/lib/dpkg/status").read_bytes():
        problems.append("packages were changed before the run was recorded")
    if killed and killed[0]["finished_at"] is not None and versions(running) != wanted:
        problems.append(f"recorded as {killed[0]['result']} while packages were still pending")
    status = running.run("maestro-agent status --json")
    if "Traceback" in status.stderr or (killed and json.loads(status.stdout)["last_run"]["id"] != killed[0]["id"]):
        problems.append(f"status after the kill: {status.stdout[:300]} {status.stderr[-300:]}")
    return problems


def of_answer(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return problems in the second run's own result."""
    problems = []
    if "Traceback" in done.stderr:
        problems.append(f"traceback: {done.stderr.strip()[-600:]}")
    if done.returncode:
        problems.append(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    if done.stdout:
        outcome = json.loads(done.stdout)
        if outcome["result"] not in {"updated", "up-to-date"}:
            problems.append(f"result {outcome['result']}: {outcome['message']}")
        problems += [f"{name}: {outcome[name]}" for name in ("held", "failed", "removed") if outcome[name]]
    return problems


def of_history(running: Machine, killed: list[dict[str, Any]]) -> list[str]:
    """Return problems in the history after the second run."""
    answer = running.run("maestro-agent history --json")
    if answer.returncode or answer.stderr:
        return [f"history: exit {answer.returncode}: {answer.stderr[-300:]}"]
    problems = []
    runs = json.loads(answer.stdout)["runs"]
    if len(runs) != 2 + len(killed):
        problems.append(f"history has {len(runs)} runs, not {2 + len(killed)}")
    for run in killed:
        one = running.run(f"maestro-agent history {run['id']} --json")
        shown = json.loads(one.stdout) if one.returncode == 0 else {}
        expected = "interrupted" if run["finished_at"] is None else "updated"
        if shown.get("result") != expected or shown.get("finished_at") != run["finished_at"]:
            problems.append(f"history shows the killed run as {shown.get('result')}, not {expected}")
    return problems


def of_machine(running: Machine, wanted: Machine) -> list[str]:
    """Return differences between a recovered machine and one without a kill, and processes that still run."""
    problems = [*_of_packages(running, wanted), *_of_files(running, wanted), *_left_behind(running)]
    problems += [f"left running: {process}" for process in alive(running)]
    again = running.run("maestro-agent check --no-refresh --json")
    if again.returncode:
        problems.append(f"check afterwards: exit {again.returncode}: {again.stderr.strip()[-300:]}")
    return problems


def forgotten_conffiles(running: Machine) -> list[str]:
    """Return conffiles that dpkg has replaced without recording it.

    dpkg renames the new file into place first and records its checksum after that. If it is killed between the two, it
    finds no new file when it continues and keeps the old checksum; no frontend can correct that.
    """
    status = running.path("/var/lib/dpkg/status").read_bytes()
    return [name for name, (old, _) in _checksums().items() if old in status]


@functools.cache
def _checksums() -> dict[str, tuple[bytes, bytes]]:
    def checksum(text: str) -> bytes:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().encode()

    return {name: (checksum(old), checksum(new)) for name, (old, new) in renewed_conffiles().items()}


def _of_packages(running: Machine, wanted: Machine) -> list[str]:
    found, expected = versions(running), versions(wanted)
    problems = [
        f"{name} is {found.get(name)}, not {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    audit = running.run("dpkg --audit")
    if audit.stdout or audit.stderr or audit.returncode:
        problems.append(f"dpkg --audit: {audit.stdout[:300]}{audit.stderr[:300]}")
    complaints = running.path(f"{STATE}/complaints")
    if complaints.exists():
        problems += [f"script: {line}" for line in complaints.read_text().splitlines()[:5]]
    return problems


def _of_files(running: Machine, wanted: Machine) -> list[str]:
    """Compare all files that either machine has changed since both were identical."""
    problems = []
    for path in sorted(_changed_paths(running) | _changed_paths(wanted)):
        found, expected = _content(running, path), _content(wanted, path)
        if found != expected:
            problems.append(f"/{path} is {found}, not {expected}")
    return problems


def _left_behind(running: Machine) -> list[str]:
    """Return files in the state directory that are not part of the record."""
    known = re.compile(
        r"lock|(jobs|cves|state|refresh|packages|plans|exposure|first-seen)\.json|notified"
        r"|history(/[0-9TZ-]+\.(json|log))?"
    )
    record = running.path(RECORD)
    names = [file.relative_to(record).as_posix() for file in sorted(record.rglob("*"))]
    return [f"left behind: {RECORD}/{name}" for name in names if not known.fullmatch(name)]


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
    """Describe a path: kind, mode and digest."""
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
        data = b"\n\n".join(sorted(data.strip().split(b"\n\n")))  # the order of packages is irrelevant
        for old, new in _checksums().values():
            data = data.replace(old, new)  # see forgotten_conffiles
    return f"a file {stat.S_IMODE(mode):o} {hashlib.sha256(data).hexdigest()[:12]}"


def _status(running: Machine) -> bytes:
    return running.path("/var/lib/dpkg/status").read_bytes() + b"".join(
        file.read_bytes() for file in sorted(running.path("/var/lib/dpkg/updates").glob("[0-9]*"))
    )


def keep_evidence(running: Machine, place: Path, problems: list[str]) -> None:
    """Copy the evidence: the record, dpkg's and apt's logs, dpkg's database."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "problems").write_text("".join(f"{problem}\n" for problem in problems))
    shutil.copytree(running.path(RECORD), place / "record", dirs_exist_ok=True)
    for name in ("/var/lib/dpkg/status", "/var/log/dpkg.log", "/var/log/apt/term.log", f"{STATE}/complaints"):
        with contextlib.suppress(OSError):
            shutil.copy(running.path(name), place / Path(name).name)
