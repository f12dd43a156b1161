"""Judges a machine after an upgrade of Docker through a fault, by what is there: never by what the agent prints alone.

One judge for every fault. The engine runs at the version of before or at the wanted one, every container by name is in
its state of before, dpkg and apt are in order, and the record is true.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.engine_archive import NEWER, OLDER
from tests.support.engines import EngineMachine
from tests.support.recorded import RECORD
from tests.support.scenario import Answer

SNAPSHOT = f"{RECORD}/docker-snapshot.json"
CONFIG = "/etc/docker/daemon.json"
REMOVED = "once"
"""The container with `--rm`; a restart of the engine may remove it."""
AT_NEW, AT_OLD = {"upgraded", "restarted", "unchanged"}, {"rolled-back", "blocked"}
UNRECORDED = {"unchanged", "blocked"}
EXIT_CODES = {
    "upgraded": (0,),
    "restarted": (0,),
    "unchanged": (0,),
    "rolled-back": (1,),
    "blocked": (10,),
    "failed-needs-attention": (1,),
    "interrupted": (1,),
}
_NOTHING_LEFT = "0 upgraded, 0 newly installed, 0 to remove"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The machine at one moment."""

    states: dict[str, str]
    """Of each container by name."""
    process: str
    """The engine's pid and start time: after a reboot it may have the same pid."""
    version: str
    """Of the engine that runs, by its own answer."""
    installed: str
    """Upstream version of the package with the engine."""
    executable: str
    """Of the engine's process: "/usr/sbin/dockerd", with " (deleted)" if the file was replaced."""
    settings: dict[str, str]
    """What an upgrade leaves alone, by subject."""


@dataclass(kw_only=True)
class Ending:
    """What a fault led to."""

    problems: list[str]
    result: str = ""
    recorded: tuple[str, ...] = ()
    """Results in the history, oldest first."""
    message: str = ""


def seen(engine: EngineMachine) -> Seen:
    """Return the present state; the engine has to run."""
    machine = engine.machine
    pid = engine.engine_pid()
    return Seen(
        states=engine.states(),
        process=machine.check(f"cut -d ' ' -f 1,22 /proc/{pid}/stat").strip(),
        version=engine.engine_version(),
        installed=_installed(engine),
        executable=machine.check(f"readlink /proc/{pid}/exe").strip(),
        settings={
            "holds": machine.check("apt-mark showhold"),
            "daemon.json": machine.check(f"cat {CONFIG} 2>/dev/null || true"),
            "units": machine.check("systemctl is-enabled docker.service docker.socket containerd.service || true"),
            "socket": machine.check("systemctl is-active docker.socket || true"),
        },
    )


def judge(engine: EngineMachine, before: Seen, answer: Answer) -> Ending:
    """Return what is wrong, given the answer of the last command: the outcome with its exit code."""
    outcome = document(answer.out)
    if outcome is None:
        return Ending(problems=[f"exit {answer.code} without an outcome: {(answer.out + answer.err)[-400:]}"])
    ending = Ending(
        problems=[],
        result=outcome["result"],
        recorded=tuple(run["result"] for run in _recorded(engine)),
        message="; ".join([outcome["message"], *(f"{one['why']}: {one['detail']}" for one in outcome["blocked"])]),
    )
    try:
        after = seen(engine)
    except AssertionError as error:
        ending.problems.append(f"no engine runs: {error}")
        return ending
    ending.problems += [
        *_engine_problems(before, after),
        *_container_problems(before, after, _recorded(engine)),
        *_package_problems(engine),
        *(f"{name} changed to {after.settings[name]!r}" for name in before.settings if _differs(before, after, name)),
        *_record_problems(engine, after, answer, outcome),
    ]
    return ending


def _engine_problems(before: Seen, after: Seen) -> list[str]:
    found = []
    if after.version not in {OLDER, NEWER}:
        found.append(f"engine {after.version} runs")
    if after.version != after.installed:
        found.append(f"engine {after.version} runs, {after.installed} is installed")
    if after.process != before.process and after.executable != "/usr/sbin/dockerd":
        found.append(f"the engine runs from {after.executable}")
    return found


def _container_problems(before: Seen, after: Seen, runs: list[dict[str, Any]]) -> list[str]:
    expected = dict(before.states)
    if REMOVED not in after.states and after.process != before.process:
        expected.pop(REMOVED, None)
    changed = {name: (state, after.states.get(name)) for name, state in expected.items()}
    found = [f"{name} was {was}, is {now}" for name, (was, now) in sorted(changed.items()) if was != now]
    found += [f"{name} is new" for name in sorted(set(after.states) - set(before.states))]
    lost = sorted(n for n, s in before.states.items() if s == "running" and after.states.get(n) != "running")
    recorded = {name for run in runs for name in run["containers_lost"]}
    if lost != sorted(recorded):
        found.append(f"lost by the record: {sorted(recorded)}, in fact: {lost}")
    return found


def _package_problems(engine: EngineMachine) -> list[str]:
    machine = engine.machine
    found = []
    if audit := machine.run("dpkg --audit").stdout:
        found.append(f"dpkg --audit: {audit[:300]}")
    if (checked := machine.run("apt-get -q check")).returncode:
        found.append(f"apt-get check: {checked.stderr[:300]}")
    simulated = machine.run("apt-get -q -s -f install").stdout
    if _NOTHING_LEFT not in simulated:
        found.append(f"apt-get -f install has work to do: {simulated[-300:]}")
    return found


def _record_problems(engine: EngineMachine, after: Seen, answer: Answer, outcome: dict[str, Any]) -> list[str]:
    result = outcome["result"]
    found = []
    if answer.code not in EXIT_CODES[result]:
        found.append(f"{result} with exit {answer.code}")
    expected = NEWER if result in AT_NEW else OLDER if result in AT_OLD else after.version
    if after.version != expected:
        found.append(f"{result}, and {after.version} runs")
    if outcome["running"] != after.version and result != "blocked":
        found.append(f"{outcome['running']} runs by the record, in fact {after.version}")
    failed = result == "failed-needs-attention"
    if failed and not outcome["message"]:
        found.append("failed without a message")
    if engine.machine.path(SNAPSHOT).exists() is not failed:
        found.append("a snapshot is left" if not failed else "no snapshot is left")
    found += [f"{run['id']} is not finished by the record" for run in _recorded(engine) if not run["finished_at"]]
    if result not in UNRECORDED and outcome["id"] not in (ids := [run["id"] for run in _recorded(engine)][-1:]):
        found.append(f"the history ends with {ids}, the command printed {outcome['id']}")
    journal = engine.machine.check("journalctl --no-pager -o cat SYSLOG_IDENTIFIER=maestro-agent | tail -n 400")
    found += ["a traceback in the journal"] if "Traceback" in journal else []
    return [*found, *_shown_problems(engine, after)]


def _shown_problems(engine: EngineMachine, after: Seen) -> list[str]:
    """Return what `status` and `history` show that is not so."""
    done = engine.machine.run("maestro-agent status --json")
    status = _json(done.stdout)
    if status is None:
        return [f"status: exit {done.returncode} {done.stderr[-200:]}"]
    shown = engine.machine.run("maestro-agent history").stdout
    recorded = _recorded(engine)
    found = [] if not recorded or recorded[-1]["id"] in shown else [f"history does not show {recorded[-1]['id']}"]
    running = (status["docker"] or {}).get("running")
    return [*found, *([] if running == after.version else [f"status shows {running}, in fact {after.version} runs"])]


def _recorded(engine: EngineMachine) -> list[dict[str, Any]]:
    """Return the outcomes of engines in the history, oldest first."""
    directory = engine.machine.path(f"{RECORD}/history")
    documents = (
        [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))] if directory.exists() else []
    )
    return [one for one in documents if one.get("schema", "").startswith("maestro.engine-outcome/")]


def _installed(engine: EngineMachine) -> str:
    version = engine.machine.version("docker.io") or "none"
    return re.split("[-~+]", version)[0]


def _differs(before: Seen, after: Seen, name: str) -> bool:
    return before.settings[name] != after.settings[name]


def document(text: str) -> dict[str, Any] | None:
    found = _json(text)
    return found if found is not None and "result" in found else None


def _json(text: str) -> dict[str, Any] | None:
    """Return the document in the last line or in all of a text; None if there is none."""
    for candidate in (text, text.strip().rpartition("\n")[2]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


def phase(engine: EngineMachine) -> str:
    """Return the phase of the snapshot on record; empty if there is none."""
    try:
        found = json.loads(engine.machine.path(SNAPSHOT).read_text())
    except (OSError, ValueError):
        return ""
    return str(found["phase"])
