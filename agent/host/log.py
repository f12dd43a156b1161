"""Structured logging: one JSON line for each event, to the journal.

As a service, standard error is the journal: each line has its priority as a prefix, as sd-daemon(3) defines it, so
that `journalctl -p err` shows failures. Started by hand, lines go to the system log socket with the same priority, so
that manual runs are logged too and the terminal stays free for people.
"""

import os
import sys
import syslog
from collections.abc import Callable, MutableMapping
from enum import Enum

import structlog


class Level(Enum):
    """Log levels; the value is the name in the line's `level` field."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class LogEvent(Enum):
    """Every event: its name, `noun.verb`, and its level. ERROR: a person has to act, or an attempt was lost."""

    _value_: str
    level: Level

    CHANGELOGS_READ = "changelogs.read", Level.INFO
    CHECK_FINISHED = "check.finished", Level.INFO
    CLOCK_JUMPED = "clock.jumped", Level.WARNING
    CONFIG_REJECTED = "config.rejected", Level.ERROR
    CONFIG_RELOADED = "config.reloaded", Level.INFO
    DAEMON_BUG = "daemon.bug", Level.ERROR
    DAEMON_FAILED = "daemon.failed", Level.ERROR
    """It could not start, as with a wrong configuration."""
    DAEMON_STARTED = "daemon.started", Level.INFO
    DAEMON_STOPPED = "daemon.stopped", Level.INFO
    EXPORTER_FAILED = "exporter.failed", Level.ERROR
    """Its process could not be started."""
    EXPORTER_KILLED = "exporter.killed", Level.ERROR
    """It took too long."""
    EXPORT_DONE = "export.done", Level.INFO
    EXPORT_FAILED = "export.failed", Level.ERROR
    JOB_ANSWERED = "job.answered", Level.INFO
    JOB_BUG = "job.bug", Level.ERROR
    JOB_FAILED = "job.failed", Level.ERROR
    JOB_POSTPONED = "job.postponed", Level.WARNING
    """Another process held a lock; it is retried."""
    JOB_REQUESTED = "job.requested", Level.INFO
    LISTS_REFRESHED = "lists.refreshed", Level.INFO
    PREFETCH_DONE = "prefetch.done", Level.INFO
    PREFETCH_FAILED = "prefetch.failed", Level.WARNING
    REBOOT_CLEARED = "reboot.cleared", Level.INFO
    REBOOT_REQUIRED = "reboot.required", Level.WARNING
    RECORD_DAMAGED = "record.damaged", Level.ERROR
    REQUEST_ACCEPTED = "request.accepted", Level.INFO
    REQUEST_ANSWERED = "request.answered", Level.INFO
    REQUEST_BUG = "request.bug", Level.ERROR
    REQUEST_FAILED = "request.failed", Level.ERROR
    REQUEST_REJECTED = "request.rejected", Level.WARNING
    SERVICES_UNSEEN = "services.unseen", Level.WARNING
    UPGRADE_FAILED = "upgrade.failed", Level.ERROR
    UPGRADE_FINISHED = "upgrade.finished", Level.INFO

    def __new__(cls, name: str, level: Level) -> "LogEvent":
        """Build a member whose value is its name."""
        event = object.__new__(cls)
        event._value_ = name
        event.level = level
        return event


def set_up() -> None:
    """Choose where events go; call once, from an entry point."""
    write = _to_journal
    if "JOURNAL_STREAM" not in os.environ:
        syslog.openlog("maestro-agent", syslog.LOG_PID, syslog.LOG_DAEMON)
        write = _to_syslog
    structlog.configure(
        processors=[
            _add_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        logger_factory=lambda *_: _LevelLogger(write),
    )


def event(name: LogEvent, **fields: object) -> None:
    """Log one event with its data."""
    getattr(structlog.get_logger(), name.level.value)(name.value, **fields)


def exception(name: LogEvent, **fields: object) -> None:
    """Log an event together with the traceback of the exception that is being handled."""
    getattr(structlog.get_logger(), name.level.value)(name.value, exc_info=True, **fields)


class _LevelLogger:
    """What structlog writes rendered lines to: one method for each level."""

    def __init__(self, write: Callable[[int, str], None]) -> None:
        self._write = write

    def error(self, line: str) -> None:
        self._write(syslog.LOG_ERR, line)

    def warning(self, line: str) -> None:
        self._write(syslog.LOG_WARNING, line)

    def info(self, line: str) -> None:
        self._write(syslog.LOG_INFO, line)


def _to_journal(priority: int, line: str) -> None:
    print(f"<{priority}>{line}", file=sys.stderr, flush=True)


def _to_syslog(priority: int, line: str) -> None:
    syslog.syslog(priority, line)


def _add_level(_logger: object, method: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Do what structlog's add_log_level does: before 20.2 only structlog.stdlib has it, which imports logging."""
    fields["level"] = method
    return fields
