"""Which events of the record are not queued yet. Pure: the cursor, kept in the outbox, is an argument.

Level-triggered: the record is compared with the cursor, so that a daemon that was dead for a week misses nothing. The
cursor is written together with the events that it covers, so that a kill between two steps queues nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from agent.core.frozen import frozen
from agent.core.schemas import ENGINE_OUTCOME_SCHEMA, REBOOT_OUTCOME_SCHEMA, RESTART_OUTCOME_SCHEMA
from agent.errors import SUCCESS_CODES
from agent.state.request_steps import RequestSteps
from agent.state.timestamps import format_utc, parse_utc_or_none

_KINDS = {
    ENGINE_OUTCOME_SCHEMA: "engine-outcome",
    REBOOT_OUTCOME_SCHEMA: "reboot-outcome",
    RESTART_OUTCOME_SCHEMA: "restart-outcome",
}
"""Kind of the event of a run by the schema of its document; "outcome" for all others."""
Fields = Mapping[str, object]
Cursor = dict[str, object]


@frozen
class Event:
    """Something that happened and is to be sent."""

    kind: str
    at: datetime
    document: Fields


@frozen
class DaemonStart:
    """The running daemon, and when it started."""

    version: str
    at: str


@frozen
class Snapshot:
    """The present, to compare with the cursor."""

    now: datetime
    runs: Sequence[str]
    """Ids of all recorded runs; they sort by time, as the clock had it."""
    read_run: Callable[[str], Fields | None]
    """A run's `maestro.outcome/1` or `maestro.engine-outcome/1`; None where it cannot be read."""
    jobs: Mapping[str, Fields]
    reboot: tuple[Sequence[str], datetime | None] | None
    """Packages that require a reboot, and since when if known; None if none is required or that is unknown."""
    reboot_known: bool
    boot_id: str | None
    booted_at: datetime
    kernel: str | None
    daemon: DaemonStart | None
    requests: RequestSteps | None = None
    """The record of requests; None: there is none, or it cannot be read."""


def initial_cursor(seen: Snapshot, since: datetime | None) -> Cursor:
    """Return the cursor of a new outbox: events before `since` count as sent; None: all existing ones do."""
    runs = seen.runs if since is None else [run for run in seen.runs if run < f"{since:%Y%m%dT%H%M%SZ}"]
    jobs = {name: entry.get("finished_at") for name, entry in seen.jobs.items() if since is None or _old(entry, since)}
    return {"runs": sorted(runs), "open": [], "jobs": jobs, **_initial_requests(seen.requests, since)}


def unseen_runs(cursor: Cursor, runs: Sequence[str]) -> list[str]:
    """Return the runs not in the cursor, oldest first; by id: after a clock was set back, new ones look old."""
    known = cursor.get("runs")
    return sorted(set(runs).difference(known if isinstance(known, list) else ()))


def new_events(cursor: Cursor, seen: Snapshot) -> tuple[list[Event], Cursor]:
    """Return the new events in the order in which they happened, and the cursor that covers them."""
    runs, run_cursor = _runs(cursor, seen)
    requested = _new_steps(cursor.get("requests"), seen.requests)
    events = [*runs, *requested, *_failed_jobs(cursor, seen), *_reboot(cursor, seen), *_boot(cursor, seen)]
    events.sort(key=lambda event: event.at)
    same_boot = cursor.get("boot_id") == seen.boot_id and isinstance(cursor.get("booted_at"), str)
    after: Cursor = {
        **run_cursor,
        # Jobs that cannot be read just now stay covered.
        "jobs": {**_known_jobs(cursor), **{name: entry.get("finished_at") for name, entry in seen.jobs.items()}},
        "boot_id": seen.boot_id or cursor.get("boot_id"),
        # An adjusted clock moves the computed boot time.
        "booted_at": cursor["booted_at"] if same_boot else format_utc(seen.booted_at),
        "reboot": _reboot_document(seen) if seen.reboot_known else cursor.get("reboot"),
        "daemon": {"version": seen.daemon.version, "at": seen.daemon.at} if seen.daemon else cursor.get("daemon"),
        "requests": _request_cursor(seen.requests) if seen.requests else cursor.get("requests"),
    }
    return events, after


def _new_steps(before: object, seen: RequestSteps | None) -> Iterator[Event]:
    """Yield the steps of requests that are not covered yet, in the order of the record."""
    if seen is None:
        return
    known = before if isinstance(before, dict) and before.get("id") == seen.id else {}
    covered = known.get("sequence")
    for step in seen.steps:
        if not isinstance(covered, int) or step.sequence > covered:
            yield Event(kind=f"request-{step.state}", at=step.at, document=step.document)


def _initial_requests(seen: RequestSteps | None, since: datetime | None) -> Fields:
    if seen is None:
        return {}
    old = [step.sequence for step in seen.steps if since is None or step.at < since]
    return {"requests": {"id": seen.id, "sequence": max(old, default=0)}}


def _request_cursor(seen: RequestSteps) -> Fields:
    return {"id": seen.id, "sequence": seen.sequence}


def _old(entry: Fields, since: datetime) -> bool:
    finished = entry.get("finished_at")
    return not isinstance(finished, str) or finished < format_utc(since)


def _runs(cursor: Cursor, seen: Snapshot) -> tuple[list[Event], Cursor]:
    """Return the runs that finished since; unfinished and unreadable ones stay open for the next time."""
    left_open = cursor.get("open")
    unfinished = set(left_open) if isinstance(left_open, list) else set()
    before = cursor.get("begun")
    known = set(before) if isinstance(before, list) else set()
    events, still_open, begun = [], [], []
    for run_id in sorted({*unseen_runs(cursor, seen.runs), *unfinished.intersection(seen.runs)}):
        document = seen.read_run(run_id)
        finished = parse_utc_or_none(document.get("finished_at")) if document else None
        if document is not None and finished is not None:
            events.append(
                Event(kind=_KINDS.get(str(document.get("schema")), "outcome"), at=finished, document=document)
            )
            continue
        still_open.append(run_id)
        at = _begun_at(document)
        if document is not None and at is not None:
            begun.append(run_id)
            events += [] if run_id in known else [Event(kind="reboot-started", at=at, document=document)]
    if not seen.runs:
        return events, {"runs": cursor.get("runs"), "open": left_open, "begun": before or []}
    return events, {"runs": sorted(seen.runs), "open": still_open, "begun": begun}


def _begun_at(document: Fields | None) -> datetime | None:
    """Return since when the machine goes down for a reboot; None: it is no such run."""
    if document is None or (document.get("schema"), document.get("result")) != (REBOOT_OUTCOME_SCHEMA, "requested"):
        return None
    return parse_utc_or_none(document.get("fired_at"))


def _boot(cursor: Cursor, seen: Snapshot) -> Iterator[Event]:
    before, own = cursor.get("boot_id"), cursor.get("daemon")
    if before is not None and seen.boot_id is not None and before != seen.boot_id:
        booted: Fields = {
            "boot_id": seen.boot_id,
            "previous_boot_id": before,
            "booted_at": format_utc(seen.booted_at),
            "kernel": seen.kernel,
        }
        yield Event(kind="rebooted", at=seen.booted_at, document=booted)
    known = own if isinstance(own, dict) else {}
    if seen.daemon is not None and known.get("at") != seen.daemon.at:
        started: Fields = {
            "version": seen.daemon.version,
            "previous_version": known.get("version"),
            "started_at": seen.daemon.at,
            "boot_id": seen.boot_id,
        }
        yield Event(kind="agent-started", at=parse_utc_or_none(seen.daemon.at) or seen.now, document=started)


def _failed_jobs(cursor: Cursor, seen: Snapshot) -> Iterator[Event]:
    known = _known_jobs(cursor)
    for name, entry in seen.jobs.items():
        finished, found = parse_utc_or_none(entry.get("finished_at")), entry.get("exit_code")
        code = found if isinstance(found, int) else None  # a list, of a damaged record, has no hash
        if finished is None or code in SUCCESS_CODES or known.get(name) == entry.get("finished_at"):
            continue
        failures = entry.get("failures")
        failed: Fields = {
            "job": name,
            "exit_code": code,
            "consecutive_failures": failures if isinstance(failures, int) else 0,
            "message": None,
        }
        yield Event(kind="job-failed", at=finished, document=failed)


def _known_jobs(cursor: Cursor) -> dict[str, object]:
    known = cursor.get("jobs")
    return known if isinstance(known, dict) else {}


def _reboot(cursor: Cursor, seen: Snapshot) -> Iterator[Event]:
    before, now = cursor.get("reboot"), _reboot_document(seen)
    if isinstance(before, dict) and now is None and seen.reboot_known:
        yield Event(kind="reboot-cleared", at=seen.now, document=before)
    if before is None and now is not None and seen.reboot is not None:
        yield Event(kind="reboot-required", at=seen.reboot[1] or seen.now, document=now)


def _reboot_document(seen: Snapshot) -> dict[str, object] | None:
    if seen.reboot is None:
        return None
    packages, since = seen.reboot
    return {"packages": list(packages), "since": format_utc(since) if since else None}
