"""What unattended-upgrades did, from apt's and dpkg's logs. Light: `history` imports it.

apt's history says who changed something, and is not to be believed about what: a dry run of unattended-upgrade writes
transactions that did not happen. dpkg's log has each package that reached the state "installed", or that was removed.
Both have local time, of which an hour comes twice at the end of summer time.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_LINE = lazy_pattern(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) "
    r"(?:startup|status (?P<status>[a-z-]+) (?P<name>[^: ]+)\S* (?P<version>\S+))"
)
_GONE = ""
"""Instead of a version, of a package that was removed."""
_REMOVED = frozenset({"config-files", "not-installed"})
_Times = Mapping[tuple[str, str, bool], list[str]]
"""When dpkg worked on each package, as its log has it, by name, version or `_GONE`, and whether it came to an end."""
_Pauses = Sequence[tuple[datetime, datetime]]
"""Times in which no dpkg ran: from its last line in the log to the start of another one."""
_NEVER = datetime.min.replace(tzinfo=timezone.utc)
_FOREVER = datetime.max.replace(tzinfo=timezone.utc)
_SAME_RUN = timedelta(minutes=10)
"""Longest time between two transactions of a run, which has one for each few packages, or two dpkgs of one."""


class TheirRun:
    """One run of unattended-upgrades that changed something."""

    def __init__(self, started_at: datetime) -> None:
        self.started_at = started_at
        self.finished_at = started_at
        self.changes: list[tuple[str, str, str | None, str]] = []
        """Package, architecture, version before (None: new) and after, of what dpkg installed."""
        self.removed: list[tuple[str, str, str]] = []
        """Package, architecture and version of what dpkg removed."""
        self.unconfirmed: list[str] = []
        """What apt's history has beside that: failed, or it did not happen."""
        self.begun = False
        """Whether dpkg unpacked something at least."""

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
            "removed": [
                {"package": name, "architecture": architecture, "from": version}
                for name, architecture, version in self.removed
            ],
            "unconfirmed": self.unconfirmed,
        }


def read_their_runs(directory: str = _LOGS) -> list[TheirRun]:
    """Return the runs on record, newest first; none where the logs cannot be read."""
    times, pauses = _work_of_dpkg(directory)
    runs: list[TheirRun] = []
    stanzas = [stanza for stanza in _stanzas(directory) if _times(stanza.get("Start-Date", ""))]
    for stanza, following in zip(stanzas, [*stanzas[1:], {}], strict=False):
        if not _is_theirs(stanza.get("Commandline", "")):
            continue
        started = _times(stanza["Start-Date"])[0]
        if not runs or started - runs[-1].finished_at > _SAME_RUN:
            runs.append(TheirRun(started))
        _add(runs[-1], stanza, times, started, _last_moment(stanza, following, started, pauses))
    told = [run for run in runs if run.changes or run.removed or run.begun]
    return sorted(told, key=lambda run: run.started_at, reverse=True)


def _last_moment(
    stanza: Mapping[str, str], following: Mapping[str, str], started: datetime, pauses: _Pauses
) -> datetime:
    """Return when a transaction ended; of one that was killed, when dpkg paused or the next one began.

    What a person does with dpkg, and what a run repairs before it begins, is in no transaction.
    """
    ended = [at for at in _times(stanza.get("End-Date", "")) if at >= started]
    if not ended:
        ended = [at for at in _times(following.get("Start-Date", "")) if at >= started]
        froms = ((max(last, started), begun) for last, begun in pauses)
        ended += [last for last, begun in froms if begun - last > _SAME_RUN]
    return min(ended, default=_FOREVER)


def _add(run: TheirRun, stanza: Mapping[str, str], times: _Times, started: datetime, last: datetime) -> None:
    """Add the changes of one transaction."""
    ended = [last if "End-Date" in stanza and last != _FOREVER else started]
    for field in ("Upgrade", "Install", "Remove", "Purge"):
        for match in _CHANGE.finditer(stanza.get(field, "")):
            name, architecture, versions = match["name"], match["architecture"], match["versions"].split(", ")
            before, after = _versions(field, versions)
            at = _within(times.get((name, after, True), ()), started, last)
            ended += at
            if not at:
                run.unconfirmed.append(name)
                run.begun |= bool(_within(times.get((name, after, False), ()), started, last))
            elif after == _GONE:
                run.removed.append((name, architecture, versions[0]))
            else:
                run.changes.append((name, architecture, before, after))
    run.finished_at = max(run.finished_at, *ended)


def _within(times: Iterable[str], first: datetime, last: datetime) -> list[datetime]:
    return [at for text in times for at in _times(text) if first <= at <= last]


def _versions(field: str, versions: Sequence[str]) -> tuple[str | None, str]:
    """Return the version before, None: there was none; and the one after, or `_GONE`."""
    if field in {"Remove", "Purge"}:
        return versions[0], _GONE
    return (versions[0], versions[1]) if field == "Upgrade" and len(versions) > 1 else (None, versions[0])


def _is_theirs(command: str) -> bool:
    program = command.removeprefix("/usr/bin/python3 ")
    return _COMMAND.match(program) is not None and "--dry-run" not in command.split()


def _stanzas(directory: str) -> Iterator[dict[str, str]]:
    """Yield the transactions of apt's history, oldest first."""
    for name in reversed(_HISTORY):
        for block in _text(f"{directory}/{name}").split("\n\n"):
            lines = (line.split(": ", 1) for line in block.splitlines() if ": " in line)
            yield {key: redact(value) for key, value in lines}


def _work_of_dpkg(directory: str) -> tuple[_Times, _Pauses]:
    found: dict[tuple[str, str, bool], list[str]] = {}
    pauses: list[tuple[datetime, datetime]] = []
    last = ""
    for name in reversed(_DPKG):
        for match in _LINE.finditer(_text(f"{directory}/{name}")):
            last, before = match["at"], last
            if match["status"] is None:
                pauses += _pause(before, last)
                continue
            is_removed = match["status"] in _REMOVED
            key = match["name"], _GONE if is_removed else match["version"], is_removed or match["status"] == "installed"
            found.setdefault(key, []).append(last)
    return found, pauses


def _pause(last: str, begun: str) -> _Pauses:
    """Return the pause between a line and the next start of dpkg; nothing if it is one of a transaction."""
    first = max(_times(last), default=_NEVER)
    second = min(_times(begun), default=first)
    return [(first, second)] if second - first > _SAME_RUN else []


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


def _times(text: str) -> tuple[datetime, ...]:
    """Return a local time of a log in UTC, both if the clock showed it twice; empty if it is none."""
    with suppress(ValueError, OverflowError, OSError):
        local = datetime.fromisoformat(" ".join(text.split()))
        first, second = (local.replace(fold=fold).astimezone(timezone.utc) for fold in (0, 1))
        return (first, second) if second > first else (first,)
    return ()
