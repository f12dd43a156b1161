"""Which events the record holds that were not told yet. Pure: what was told is a mark that the outbox keeps.

Level-triggered: the record is compared with the mark, so that a daemon that was dead for a week misses nothing, and a
kill between two steps tells nothing twice: the mark moves together with what it stands for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors import SUCCESS_CODES
from agent.state.timestamps import format_utc, parse_utc_or_none

Document = Mapping[str, object]
Cursor = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, to be told."""

    kind: str
    at: datetime
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStart:
    """Which daemon runs, and since when."""

    version: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What there is to compare with the mark."""

    now: datetime
    runs: Sequence[str]
    """Ids of all runs on record; they sort by time, as the clock said it."""
    read_run: Callable[[str], Document | None]
    """A run's `maestro.outcome/1`; None where it cannot be read."""
    jobs: Mapping[str, Document]
    reboot: tuple[Sequence[str], datetime] | None
    """Packages that want a reboot, and since when; None where none is wanted, or that cannot be seen."""
    reboot_known: bool
    boot_id: str | None
    booted_at: datetime
    kernel: str | None
    daemon: DaemonStart | None


def initial_cursor(seen: Snapshot, since: datetime | None) -> Cursor:
    """Return the mark of a new outbox: what is older than `since` was told or is too old; None: tell nothing older."""
    runs = seen.runs if since is None else [run for run in seen.runs if run < f"{since:%Y%m%dT%H%M%SZ}"]
    jobs = {name: entry.get("finished_at") for name, entry in seen.jobs.items() if since is None or _old(entry, since)}
    return {"runs": sorted(runs), "open": [], "jobs": jobs}


def unseen_runs(mark: Cursor, runs: Sequence[str]) -> list[str]:
    """Return the runs that the mark does not know, oldest first: a clock that was set back makes new ones look old."""
    known = mark.get("runs")
    return sorted(set(runs).difference(known if isinstance(known, list) else ()))


def new_events(mark: Cursor, seen: Snapshot) -> tuple[list[Event], Cursor]:
    """Return what is to be told now, in the order in which it happened, and the mark after it."""
    runs, told_runs = _runs(mark, seen)
    events = [*runs, *_failed_jobs(mark, seen), *_reboot(mark, seen), *_boot(mark, seen)]
    events.sort(key=lambda event: event.at)
    same_boot = mark.get("boot_id") == seen.boot_id and isinstance(mark.get("booted_at"), str)
    after: Cursor = {
        **told_runs,
        # What cannot be read just now was told all the same.
        "jobs": {**_told_jobs(mark), **{name: entry.get("finished_at") for name, entry in seen.jobs.items()}},
        "boot_id": seen.boot_id or mark.get("boot_id"),
        # The clock is set a little now and then, and would seem to move the moment.
        "booted_at": mark["booted_at"] if same_boot else format_utc(seen.booted_at),
        "reboot": _reboot_document(seen) if seen.reboot_known else mark.get("reboot"),
        "daemon": {"version": seen.daemon.version, "at": seen.daemon.at} if seen.daemon else mark.get("daemon"),
    }
    return events, after


def _old(entry: Document, since: datetime) -> bool:
    finished = entry.get("finished_at")
    return not isinstance(finished, str) or finished < format_utc(since)


def _runs(mark: Cursor, seen: Snapshot) -> tuple[list[Event], Cursor]:
    """Return the runs that have come to an end since; those that have not, or cannot be read, are looked at again."""
    left_open = mark.get("open")
    waiting = set(left_open) if isinstance(left_open, list) else set()
    events, still_open = [], []
    for run_id in sorted({*unseen_runs(mark, seen.runs), *waiting.intersection(seen.runs)}):
        document = seen.read_run(run_id)
        finished = parse_utc_or_none(document.get("finished_at")) if document else None
        if document is not None and finished is not None:
            events.append(Event(kind="outcome", at=finished, document=document))
        else:
            still_open.append(run_id)
    if not seen.runs:
        return events, {"runs": mark.get("runs"), "open": left_open}
    return events, {"runs": sorted(seen.runs), "open": still_open}


def _boot(mark: Cursor, seen: Snapshot) -> Iterator[Event]:
    before, own = mark.get("boot_id"), mark.get("daemon")
    if before is not None and seen.boot_id is not None and before != seen.boot_id:
        booted: Document = {
            "boot_id": seen.boot_id,
            "previous_boot_id": before,
            "booted_at": format_utc(seen.booted_at),
            "kernel": seen.kernel,
        }
        yield Event(kind="rebooted", at=seen.booted_at, document=booted)
    known = own if isinstance(own, dict) else {}
    if seen.daemon is not None and known.get("at") != seen.daemon.at:
        started: Document = {
            "version": seen.daemon.version,
            "previous_version": known.get("version"),
            "started_at": seen.daemon.at,
            "boot_id": seen.boot_id,
        }
        yield Event(kind="agent-started", at=parse_utc_or_none(seen.daemon.at) or seen.now, document=started)


def _failed_jobs(mark: Cursor, seen: Snapshot) -> Iterator[Event]:
    known = _told_jobs(mark)
    for name, entry in seen.jobs.items():
        finished, code = parse_utc_or_none(entry.get("finished_at")), entry.get("exit_code")
        if finished is None or code in SUCCESS_CODES or known.get(name) == entry.get("finished_at"):
            continue
        failures = entry.get("failures")
        failed: Document = {
            "job": name,
            "exit_code": code if isinstance(code, int) else None,
            "consecutive_failures": failures if isinstance(failures, int) else 0,
            "message": None,
        }
        yield Event(kind="job-failed", at=finished, document=failed)


def _told_jobs(mark: Cursor) -> dict[str, object]:
    told = mark.get("jobs")
    return told if isinstance(told, dict) else {}


def _reboot(mark: Cursor, seen: Snapshot) -> Iterator[Event]:
    before, now = mark.get("reboot"), _reboot_document(seen)
    if isinstance(before, dict) and now is None and seen.reboot_known:
        yield Event(kind="reboot-cleared", at=seen.now, document=before)
    if before is None and now is not None and seen.reboot is not None:
        yield Event(kind="reboot-required", at=seen.reboot[1], document=now)


def _reboot_document(seen: Snapshot) -> dict[str, object] | None:
    return None if seen.reboot is None else {"packages": list(seen.reboot[0]), "since": format_utc(seen.reboot[1])}
