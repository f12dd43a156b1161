"""What `status` says: the record, weighed at this moment. Pure and light: imports nothing heavy, reads nothing.

The document (`maestro.status/1`) is made first, the text from the document.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from agent.core.schemas import STATUS_SCHEMA, Document
from agent.report.status.exporters import exporter_lines, exporter_reasons, exporters_section
from agent.report.status.health import Health
from agent.report.status.runtime import CurrentBoot, runtime_lines, runtime_section
from agent.report.text import counted, cve_suffix, held_lines, reboot_line, step_lines, unlabelled_lines
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_age, format_human, format_utc

_SHOWN = 8
_JOBS = ("check", "upgrade")
_CLOCK_SLACK = timedelta(minutes=5)
_SILENT = timedelta(minutes=2)
"""The daemon says something each 30 s (`agent.daemon.service`)."""


class RunningJob:
    """The job that is at work."""

    def __init__(self, pid: int, job: tuple[str, datetime] | None) -> None:
        self.pid = pid
        self.job = job
        """Its kind, and when it began; None where the record does not say."""

    @property
    def document(self) -> Document:
        """Return the `running` of the status."""
        name, since = self.job or (None, None)
        return {"pid": self.pid, "job": name, "since": format_utc(since) if since else None}

    def is_of(self, run: JsonReader) -> bool:
        """Whether it is this run that goes on: the last one on record, by the job that upgrades."""
        return self.job is None or (self.job[0] == "upgrade" and run.time("started_at") >= self.job[1])


class DaemonView:
    """What is known of the daemon that is to run on this machine."""

    def __init__(self, pid: int | None, said: JsonReader | None) -> None:
        self.pid = pid
        """None where it should be alive and is not."""
        self.said = said
        """Its own words (`agent.state.daemon_status`); None where it is not alive."""

    @property
    def document(self) -> Document:
        """Return the `daemon` of the status."""
        said = self.said.raw if self.said else {}
        return {
            "alive": self.pid is not None,
            "pid": self.pid,
            **{name: said.get(name) for name in ("version", "started_at", "seen_at", "doing")},
            "problems": self.problems,
        }

    @property
    def problems(self) -> list[str]:
        """Return what it cannot put right by itself."""
        return self.said.texts("problems") if self.said else []

    def silent_since(self, now: datetime) -> datetime | None:
        """Return when it last said anything, if that is too long ago for one that looks twice a minute."""
        seen_at = self.said.time("seen_at") if self.said else now
        return seen_at if now - seen_at > _SILENT else None

    def next(self, job: str) -> str | None:
        """Return when it will begin a job."""
        return self.said.child("next").optional_text(job) if self.said else None


def status_document(
    state: JsonReader | None,
    run: JsonReader | None,
    reboot: tuple[Sequence[str], float] | None,
    *,
    now: datetime,
    damaged: Sequence[str] = (),
    reboot_problem: str = "",
    running: RunningJob | None = None,
    daemon: DaemonView | None = None,
    jobs: JsonReader | None = None,
    telling: JsonReader | None = None,
    present: CurrentBoot | None = None,
) -> tuple[Health, Document]:
    """Weigh the record.

    `reboot` is the flag as it is now: packages and Unix time; None where it is down. `damaged` says what of the
    record could not be read, `reboot_problem` why the flag could not be. `running` is the job at work, `daemon` None
    where none is to run, `jobs` what is remembered of each kind, `telling` what the sender says, `present` this moment.

    Raises:
        RecordError: a record has the right schema but not its shape.
    """
    unknown = [*_unknown(state, now, damaged), *([reboot_problem] if reboot_problem else []), *_dead(daemon, now)]
    goes_on = running is not None and run is not None and running.is_of(run)
    failing = _failing(daemon, jobs) + exporter_reasons(telling, now)
    attention = [*_waiting(state), *([] if goes_on else _last_run(run)), *_reboot(reboot), *failing]
    health = Health.UNKNOWN if unknown else Health.ATTENTION if attention else Health.HEALTHY
    document: Document = {
        "schema": STATUS_SCHEMA,
        "generated_at": format_utc(now),
        "health": health.value,
        "reasons": [*unknown, *attention],
        **_look(state, present or CurrentBoot()),
        "last_run": run.raw if run else None,
        "running": {**running.document, "last_run": goes_on} if running else None,
        "reboot": None if reboot_problem else _reboot_part(reboot),
        **_own_parts(jobs, daemon, telling),
    }
    return health, document


def _look(state: JsonReader | None, present: CurrentBoot) -> Document:
    return {
        "looked_at": state.text("generated_at") if state else None,
        "fresh_until": state.text("fresh_until") if state else None,
        "plan": state.child("plan").raw if state else None,
        **runtime_section(state, present),
    }


def _own_parts(jobs: JsonReader | None, daemon: DaemonView | None, telling: JsonReader | None) -> Document:
    own = daemon.document if daemon else None
    nobody = dict.fromkeys(("docker", "weave"))
    return {**nobody, "reporting": exporters_section(telling), "daemon": own, "jobs": _jobs(jobs, daemon)}


def status_lines(document: JsonReader, host: str, now: datetime) -> list[str]:
    """Render the document for a person; the first line alone says whether anything is wrong."""
    lines = [f"{host}: {document.text('health').upper()}"]
    lines += [f"  ! {reason}" for reason in document.texts("reasons")]
    plan, running = document.optional_child("plan"), document.optional_child("running")
    if plan is not None:
        lines += _plan_lines(plan, document.time("looked_at"), now)
    if (run := document.optional_child("last_run")) is not None:
        started = run.time("started_at")
        changed = run.count("upgraded") + run.count("new")
        result = "goes on" if running is not None and running.boolean("last_run") else run.text("result")
        lines.append(
            f"Last run     {format_human(started)} ({format_age(started, now)}): {result}, {changed} installed"
        )
    reporting = exporter_lines(document.optional_child("reporting"), now)
    lines += [*_running_lines(running, now), *_daemon_lines(document), *reporting]
    lines += runtime_lines(document, now)
    lines.append(f"Reboot       {reboot_line(document.optional_child('reboot'))}")
    return lines


def _dead(daemon: DaemonView | None, now: datetime) -> list[str]:
    if daemon is None:
        return []
    since = daemon.silent_since(now)
    if since is not None:
        return [f"the daemon has said nothing since {format_human(since)}: `systemctl status maestro-agent`"]
    if daemon.pid is not None:
        return []
    return ["the daemon is not running, so nothing is done on its own: `systemctl status maestro-agent`"]


def _failing(daemon: DaemonView | None, jobs: JsonReader | None) -> list[str]:
    problems = daemon.problems if daemon else []
    counts = {name: entry.number("failures") for name in _JOBS if jobs and (entry := jobs.optional_child(name))}
    follow = "`journalctl -u 'maestro-agent-worker@*'`"
    return problems + [
        f"{name} failed {count:.0f} times in a row: {follow}" for name, count in counts.items() if count > 1
    ]


def _jobs(jobs: JsonReader | None, daemon: DaemonView | None) -> Document:
    found: Document = {}
    for name in _JOBS:
        entry = jobs.optional_child(name) if jobs else None
        found[name] = {
            "last_started_at": entry.optional_text("started_at") if entry else None,
            "last_finished_at": entry.optional_text("finished_at") if entry else None,
            "last_exit_code": entry.raw.get("exit_code") if entry else None,
            "consecutive_failures": entry.number("failures") if entry else 0,
            "next_at": daemon.next(name) if daemon else None,
        }
    return found


def _running_lines(running: JsonReader | None, now: datetime) -> list[str]:
    if running is None:
        return []
    since = running.optional_time("since")
    began = f", began {format_human(since)} ({format_age(since, now)})" if since else ""
    return [f"At work      {running.optional_text('job') or 'a job'} (pid {running.number('pid'):.0f}){began}"]


def _daemon_lines(document: JsonReader) -> list[str]:
    daemon = document.optional_child("daemon")
    if daemon is None or not daemon.boolean("alive"):
        return []
    return [f"Daemon       running (pid {daemon.number('pid'):.0f}): {daemon.optional_text('doing') or 'starting'}"]


def _plan_lines(plan: JsonReader, looked_at: datetime, now: datetime) -> list[str]:
    lists = plan.child("lists")
    updated = lists.optional_time("updated_at")
    verified = f"verified {format_age(updated, now)}" if updated else "never verified"
    lines = [
        f"Last look    {format_human(looked_at)} ({format_age(looked_at, now)})",
        f"Lists        {'none' if lists.text('state') == 'never' else lists.text('state')}, {verified}",
    ]
    lines += [f"             {error.text('source')}: {error.text('detail')}" for error in lists.children("errors")]
    steps = step_lines(plan)
    nothing = "nothing" if lists.text("state") != "never" else "not known"
    lines.append(f"To install   {len(steps) or nothing}{cve_suffix(plan.children('install'))}")
    lines += [f"             {step}" for step in steps[:_SHOWN]]
    if len(steps) > _SHOWN:
        lines.append(f"             and {len(steps) - _SHOWN} more (`maestro-agent check --no-refresh`)")
    removals = [part.text("package") for part in plan.optional_children("remove")]
    lines += [f"To remove    {counted(len(removals), 'package')} of superseded kernels"] if removals else []
    held = held_lines(plan)[1:]
    lines.append(f"Held back    {len(held) or 'nothing'}")
    lines += [f"           {line}" for line in held]
    others = int(plan.number("other_updates"))
    lines.append(f"Others       {counted(others, 'update') + ' from other origins' if others else 'none'}")
    hidden = unlabelled_lines(plan)[1:]
    if hidden:
        lines.append(f"             {len(hidden)} with a security fix all the same:")
        lines += [f"           {line}" for line in hidden[:_SHOWN]]
        if len(hidden) > _SHOWN:
            lines.append(f"             and {len(hidden) - _SHOWN} more (`maestro-agent check --no-refresh`)")
    return lines


def _unknown(state: JsonReader | None, now: datetime, damaged: Sequence[str]) -> list[str]:
    if state is None:
        return list(damaged) or ["never checked: run `maestro-agent check`"]
    return [*damaged, *_stale(state, now)]


def _stale(state: JsonReader, now: datetime) -> list[str]:
    lists = state.child("plan").child("lists")
    name = lists.text("state")
    if name == "never":
        details = [error.text("detail") for error in lists.children("errors")]
        return ["; ".join(details) or "the package lists were never fetched"]
    if state.time("generated_at") > now + _CLOCK_SLACK:
        return ["the record is from the future: is the clock right? `maestro-agent check` makes a new one"]
    if name == "stale" or state.time("fresh_until") < now:
        updated = lists.optional_time("updated_at")
        since = f"last verified {format_age(updated, now)}" if updated else "never verified"
        return [f"the package lists are stale ({since}): run `maestro-agent check`"]
    return []


def _waiting(state: JsonReader | None) -> list[str]:
    if state is None:
        return []
    plan = state.child("plan")
    what = "security update" if plan.text("scope") == "security" else "update"
    reasons = []
    install, held = plan.count("install"), plan.count("held")
    if install:
        reasons.append(f"{install} {what}{'s wait' if install != 1 else ' waits'}: run `maestro-agent upgrade`")
    if held:
        reasons.append(f"{held} {what}{'s are' if held != 1 else ' is'} held back")
    if plan.count("repair"):
        names = ", ".join(sorted({part.text("package") for part in plan.children("repair")}))
        reasons.append(f"unfinished by dpkg or broken: {names}: run `maestro-agent upgrade`")
    if plan.child("lists").text("state") == "partial":
        reasons.append("the lists of some package sources could not be fetched")
    return reasons


_WORSE = {"failed": "failed", "interrupted": "was interrupted", "busy": "found the package manager busy"}


def _last_run(run: JsonReader | None) -> list[str]:
    words = _WORSE.get(run.text("result")) if run is not None else None
    if run is None or words is None:
        return []
    return [f"the last run {words}: `maestro-agent history {run.text('id')}`"]


def _reboot(reboot: tuple[Sequence[str], float] | None) -> list[str]:
    return ["a reboot is required"] if reboot is not None else []


def _reboot_part(reboot: tuple[Sequence[str], float] | None) -> Document:
    if reboot is None:
        return {"required": False, "packages": [], "since": None}
    packages, since = reboot
    return {
        "required": True,
        "packages": list(packages),
        "since": format_utc(datetime.fromtimestamp(since, timezone.utc)),
    }
