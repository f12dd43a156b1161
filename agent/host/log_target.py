"""Where log entries go: journald with fields, else syslog, else standard error; always with identifier and priority.

python3-systemd is imported by name and only where journald runs: a container without it does not pay for it.
"""

import importlib
import json
import os
import sys
import syslog
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import ModuleType

from agent.core.frozen import field, frozen

IDENTIFIER = "maestro-agent"
"""SYSLOG_IDENTIFIER of every process: `journalctl -t maestro-agent` shows them all."""
_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_SYSLOG_SOCKET = "/dev/log"
_MAX_DATA = 48 * 1024
"""Characters of MAESTRO_DATA: journald(8) has `journalctl -o json` omit fields above 64 KiB."""
_MAX_ITEMS = 100
"""Elements of a list that are kept where the data are longer than that."""
_FILTERS = ("job", "run", "package", "exporter")
"""Fields of an event that are journal fields, too, for `journalctl MAESTRO_RUN=...`."""


@frozen
class LogEntry:
    """One entry."""

    event: str
    """Its name, "upgrade.failed"."""
    priority: int
    """As in syslog(3)."""
    message: str
    """One line for people."""
    data: Mapping[str, object] = field(default_factory=dict)
    traceback: str = ""


Write = Callable[[LogEntry], None]


def choose_target(*, to_stderr: bool) -> Write:
    """Return where entries go on this machine; `to_stderr`: whether standard error serves where nothing else does."""
    fallback = _fallback(to_stderr=to_stderr)
    if not os.path.exists(_JOURNAL_SOCKET):
        return fallback
    try:
        journal = importlib.import_module("systemd.journal")
    except ImportError:
        return fallback
    return lambda entry: _to_journal(journal, fallback, entry)


def discard(_entry: LogEntry) -> None:
    """Write nothing: the target of a process that has set up no logging."""


def journal_fields(entry: LogEntry) -> dict[str, str]:
    """Return an entry's journal fields (systemd.journal-fields(7))."""
    data = _as_json(entry.data)
    if len(data) > _MAX_DATA:
        data = _as_json({name: _shortened(value) for name, value in entry.data.items()})
    fields = {
        "MESSAGE": entry.message,
        "PRIORITY": str(entry.priority),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "MAESTRO_EVENT": entry.event,
        **({"MAESTRO_DATA": data} if len(data) <= _MAX_DATA else {}),
        **{f"MAESTRO_{name.upper()}": str(entry.data[name]) for name in _FILTERS if entry.data.get(name)},
        **({"MAESTRO_TRACEBACK": entry.traceback} if entry.traceback else {}),
    }
    return {name: value.encode(errors="replace").decode() for name, value in fields.items()}


def _as_json(data: Mapping[str, object]) -> str:
    return json.dumps(data, default=str, ensure_ascii=False)


def _shortened(value: object) -> object:
    """Return a list without its end, where data do not fit; the number of what is left out is its last element."""
    if not isinstance(value, list | tuple) or len(value) <= _MAX_ITEMS:
        return value
    return [*value[:_MAX_ITEMS], f"and {len(value) - _MAX_ITEMS} more"]


def _to_journal(journal: ModuleType, fallback: Write, entry: LogEntry) -> None:
    try:
        journal.sendv(*(f"{name}={value}" for name, value in journal_fields(entry).items()))
    except (OSError, ValueError):  # journald was stopped; or a field that it refuses
        fallback(entry)


def _fallback(*, to_stderr: bool) -> Write:
    if os.path.exists(_SYSLOG_SOCKET):
        syslog.openlog(IDENTIFIER, syslog.LOG_PID, syslog.LOG_DAEMON)
        return _to_syslog
    return _to_stderr if to_stderr else discard


def _to_syslog(entry: LogEntry) -> None:
    for line in (entry.message, *entry.traceback.splitlines()):
        syslog.syslog(entry.priority, line.encode(errors="replace").decode().replace("\0", "?"))


def _to_stderr(entry: LogEntry) -> None:
    """Write the lines with their priority as a prefix (sd-daemon(3)): standard error may be the journal."""
    with suppress(OSError, ValueError):  # a full disk or a closed stream: no log entry is worth the job
        for line in (entry.message, *entry.traceback.splitlines()):
            print(f"<{entry.priority}>{line}", file=sys.stderr, flush=True)
