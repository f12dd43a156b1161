"""What unattended-upgrades did, from apt's and dpkg's logs. Light: `history` imports it.

apt's history says who changed something, and is not to be believed about what: a dry run of unattended-upgrade writes
transactions that did not happen. dpkg's log has each package that reached the state "installed". Both have local time.
"""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from agent.core.pattern import lazy_pattern
from agent.core.redact import redact
from agent.core.schemas import Document
from agent.state.safe_open import open_regular
from agent.state.timestamps import format_utc

_HISTORY = ("apt/history.log", "apt/history.log.1.gz")
_DPKG = ("dpkg.log", "dpkg.log.1")
_LOGS = "/var/log"
_MOST_BYTES = 8 << 20
"""Of one log, its end."""
_COMMAND = lazy_pattern(r"(\S*/)?unattended-upgrades?(?= |$)")
_CHANGE = lazy_pattern(r"(?P<name>[a-z0-9][a-z0-9+.-]*):(?P<architecture>[a-z0-9-]+) \((?P<versions>[^()]*)\)")
_INSTALLED = lazy_pattern(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) status installed (?P<name>[^: ]+)\S* (?P<version>\S+)"
)
_SAME_RUN = timedelta(minutes=10)
"""Longest time between two transactions of a run, which has one for each few packages."""


class TheirRun:
    """One run of unattended-upgrades that changed something."""

    def __init__(self, started_at: datetime) -> None:
        self.started_at = started_at
        self.finished_at = started_at
        self.changes: list[tuple[str, str, str | None, str]] = []
        """Package, architecture, version before (None: new) and after, of what dpkg installed."""
        self.unconfirmed: list[str] = []
        """What apt's history has beside that: failed, or it did not happen."""

    @property
    def document(self) -> Document:
        """Return an element of `others[]` of `maestro.history/1`."""
        return {
            "by": "unattended-upgrades",
            "started_at": format_utc(self.started_at),
            "finished_at": format_utc(self.finished_at),
            "changes": [
                {"package": name, "architecture": architecture, "from": before, "to": after}
                for name, architecture, before, after in self.changes
            ],
            "unconfirmed": self.unconfirmed,
        }


def read_their_runs(directory: str = _LOGS) -> list[TheirRun]:
    """Return the runs on record, newest first; none where the logs cannot be read."""
    installed = _installed(directory)
    runs: list[TheirRun] = []
    for stanza in _stanzas(directory):
        started, finished = _time(stanza.get("Start-Date", "")), _time(stanza.get("End-Date", ""))
        if started is None or not _is_theirs(stanza.get("Commandline", "")):
            continue
        if not runs or started - runs[-1].finished_at > _SAME_RUN:
            runs.append(TheirRun(started))
        runs[-1].finished_at = max(finished or started, runs[-1].finished_at)
        _add(runs[-1], stanza, installed, started, finished or started)
    return sorted((run for run in runs if run.changes), key=lambda run: run.started_at, reverse=True)


def _add(
    run: TheirRun,
    stanza: Mapping[str, str],
    installed: Mapping[tuple[str, str], list[datetime]],
    started: datetime,
    finished: datetime,
) -> None:
    """Add the changes of one transaction."""
    for field in ("Upgrade", "Install"):
        for match in _CHANGE.finditer(stanza.get(field, "")):
            versions = match["versions"].split(", ")
            before, after = (
                (versions[0], versions[1]) if field == "Upgrade" and len(versions) > 1 else (None, versions[0])
            )
            if any(started <= at <= finished for at in installed.get((match["name"], after), ())):
                run.changes.append((match["name"], match["architecture"], before, after))
            else:
                run.unconfirmed.append(match["name"])


def _is_theirs(command: str) -> bool:
    program = command.removeprefix("/usr/bin/python3 ")
    return _COMMAND.match(program) is not None and "--dry-run" not in command.split()


def _stanzas(directory: str) -> Iterator[dict[str, str]]:
    """Yield the transactions of apt's history, oldest first."""
    for name in reversed(_HISTORY):
        for block in _text(f"{directory}/{name}").split("\n\n"):
            lines = (line.split(": ", 1) for line in block.splitlines() if ": " in line)
            yield {key: redact(value) for key, value in lines}


def _installed(directory: str) -> dict[tuple[str, str], list[datetime]]:
    """Return when each package reached the state "installed", by name and version."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for name in reversed(_DPKG):
        for match in _INSTALLED.finditer(_text(f"{directory}/{name}")):
            at = _time(match["at"])
            if at is not None:
                found.setdefault((match["name"], match["version"]), []).append(at)
    return found


def _text(path: str) -> str:
    """Return the end of a log; empty if it cannot be read."""
    with suppress(OSError, EOFError), open(path, "rb", opener=open_regular) as file:
        if path.endswith(".gz"):
            with gzip.open(file) as unpacked:
                return unpacked.read(_MOST_BYTES).decode(errors="replace")
        file.seek(0, 2)
        file.seek(max(file.tell() - _MOST_BYTES, 0))
        return file.read().decode(errors="replace")
    return ""


def _time(text: str) -> datetime | None:
    """Return a local time of a log in UTC; None if it is none."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.strptime(" ".join(text.split()), "%Y-%m-%d %H:%M:%S").astimezone(timezone.utc)
    return None
