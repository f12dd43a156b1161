"""Logging: one entry for each event, a readable line with the event's data as journal fields (`log_target`).

In the journal each entry has MESSAGE, PRIORITY, SYSLOG_IDENTIFIER=maestro-agent, MAESTRO_EVENT (the event's name),
MAESTRO_DATA (its fields as JSON) and, where they apply, MAESTRO_JOB, MAESTRO_RUN, MAESTRO_PACKAGE, MAESTRO_EXPORTER.
Priorities have a meaning: nothing at warning or above on a day without a problem.
"""

import sys
import syslog
import traceback
from collections.abc import Mapping
from enum import Enum

from agent.core.redact import redact, redact_document
from agent.host import log_text as text
from agent.host.log_target import LogEntry, Write, choose_target, discard


class Level(Enum):
    """Log levels; the value is the syslog(3) priority."""

    ERROR = syslog.LOG_ERR
    """A person has to act, or an attempt was lost."""
    WARNING = syslog.LOG_WARNING
    """Something did not work and is retried, or waits for a person."""
    INFO = syslog.LOG_INFO
    DEBUG = syslog.LOG_DEBUG
    """The conversation between the agent's own processes."""


class LogEvent(Enum):
    """Every event: its name, `noun.verb`, its level, and its sentence (a template for the fields, or a function)."""

    _value_: str
    level: Level
    sentence: text.Sentence

    CHANGELOGS_READ = "changelogs.read", Level.INFO, "read {read} of {wanted} changelogs"
    CHECK_FINISHED = "check.finished", Level.INFO, text.check_sentence
    CLOCK_JUMPED = "clock.jumped", Level.INFO, "the clock was set; it is {now} now"
    CONFIG_REJECTED = "config.rejected", Level.ERROR, text.with_reason("the new configuration is invalid")
    CONFIG_RELOADED = "config.reloaded", Level.INFO, "configuration reloaded"
    DAILY_JOB_FAILED = (
        "patcher.failed",
        Level.WARNING,
        text.with_reason("the distribution's daily job could not be switched as the mode {mode} asks"),
    )
    DAEMON_BUG = "daemon.bug", Level.ERROR, text.with_reason("internal error in the daemon", "exception")
    DAEMON_FAILED = "daemon.failed", Level.ERROR, text.with_reason("the daemon cannot start")
    DAEMON_STARTED = "daemon.started", Level.INFO, text.daemon_sentence
    DAEMON_OUTDATED = "daemon.outdated", Level.INFO, "the daemon restarts itself: an update replaced files that it runs"
    DAEMON_STOPPED = "daemon.stopped", Level.INFO, text.stopped_sentence
    ENGINE_BLOCKED = "engine.blocked", Level.WARNING, text.engine_sentence
    ENGINE_FAILED = "engine.failed", Level.ERROR, text.engine_sentence
    ENGINE_FINISHED = "engine.finished", Level.INFO, text.engine_sentence
    ENGINE_RECOVERED = "engine.recovered", Level.WARNING, text.engine_sentence
    """A run that had been interrupted was finished or rolled back."""
    ENGINE_UNFINISHED = (
        "engine.unfinished",
        Level.WARNING,
        text.with_reason("the interrupted upgrade of {component} could not be finished"),
    )
    EXPORTER_FAILED = "exporter.failed", Level.ERROR, text.with_reason("{exporter}: the exporter could not be started")
    EXPORTER_KILLED = (
        "exporter.killed",
        Level.ERROR,
        "{exporter}: the exporter did not end and was killed ({seconds} s)",
    )
    EXPORT_DONE = "export.done", Level.INFO, text.export_sentence
    EXPORT_FAILED = "export.failed", Level.WARNING, text.export_sentence
    HOOK_FAILED = "hook.failed", Level.WARNING, text.engine_hook_sentence
    HOOKS_FINISHED = (
        "hooks.finished",
        Level.WARNING,
        text.with_reason("the hooks after run {run}, which was interrupted, ran"),
    )
    HOOK_RAN = "hook.ran", Level.INFO, text.engine_hook_sentence
    JOB_ANSWERED = "job.answered", Level.DEBUG, "the worker answered: {job}, exit code {exit_code}"
    JOB_BUG = "job.bug", Level.ERROR, text.with_reason("internal error while requesting {job}", "exception")
    JOB_DELAYED = "job.delayed", Level.INFO, text.with_reason("{job} delayed")
    """Another job of the agent is running."""
    JOB_FAILED = "job.failed", Level.ERROR, text.with_reason("{job} failed (exit code {exit_code})")
    JOB_POSTPONED = "job.postponed", Level.WARNING, text.with_reason("{job} was not done")
    """Another program held a lock of the package manager for too long."""
    JOB_PROGRESS = "job.progress", Level.INFO, "{job}: {line}"
    JOB_REFUSED = "job.refused", Level.INFO, text.with_reason("{job} refused, nothing was done")
    """The request does not fit the machine as it is now, such as an old plan."""
    JOB_REQUESTED = "job.requested", Level.DEBUG, "requesting {job} from the worker"
    JOB_STARTED = "job.started", Level.INFO, text.started_sentence
    JOB_STOPPED = "job.stopped", Level.WARNING, text.with_reason("{job} stopped")
    LISTS_INCOMPLETE = "lists.incomplete", Level.WARNING, text.lists_sentence
    LISTS_REFRESHED = "lists.refreshed", Level.INFO, "package lists refreshed"
    LOCK_ACQUIRED = "lock.acquired", Level.INFO, text.with_reason("fleet lock of group {group} taken", "reason")
    LOCK_DROPPED = "lock.dropped", Level.WARNING, "the fleet lock on record is of another machine, and is not released"
    LOCK_KEPT = "lock.kept", Level.WARNING, text.with_reason("fleet lock of group {group} kept", "reason")
    LOCK_REFUSED = "lock.refused", Level.INFO, text.with_reason("no fleet lock of group {group} is free")
    LOCK_RELEASED = "lock.released", Level.INFO, "fleet lock of group {group} released"
    LOCK_UNREACHABLE = "lock.unreachable", Level.WARNING, text.with_reason("fleet lock of group {group}: {call} failed")
    NOTIFY_BUG = "notify.bug", Level.ERROR, text.with_reason("internal error while notifying", "exception")
    NOTIFY_FAILED = "notify.failed", Level.WARNING, text.hook_sentence
    NOTIFY_SENT = "notify.sent", Level.INFO, text.hook_sentence
    PACKAGE_FAILED = "package.failed", Level.ERROR, text.with_reason("{package} could not be upgraded ({stage})")
    """One of the packages of a failed upgrade, so that an alert needs no list."""
    PATCHER_CHANGED = "patcher.changed", Level.INFO, "security updates are installed daily by: {patcher} ({mode})"
    PREFETCH_DONE = "prefetch.done", Level.INFO, "downloaded in advance: {packages}"
    PREFETCH_DELAYED = "prefetch.delayed", Level.INFO, text.with_reason("nothing was downloaded in advance")
    """Another program uses the archives, or the job was asked to stop."""
    PREFETCH_FAILED = "prefetch.failed", Level.WARNING, text.prefetch_sentence
    REBOOT_CANCELLED = "reboot.cancelled", Level.INFO, "the reboot scheduled for {at} was cancelled by {requested_by}"
    REBOOT_CLEARED = "reboot.cleared", Level.INFO, "a reboot is no longer required"
    REBOOT_REQUIRED = "reboot.required", Level.WARNING, text.reboot_sentence
    REBOOT_SCHEDULED = "reboot.scheduled", Level.INFO, "a reboot is scheduled for {at}, requested by {requested_by}"
    REBOOT_BLOCKED = "reboot.blocked", Level.WARNING, text.reboot_outcome_sentence
    REBOOT_FAILED = "reboot.failed", Level.ERROR, text.reboot_outcome_sentence
    """It did not happen, or the machine came back with problems."""
    REBOOT_STARTED = "reboot.started", Level.INFO, text.reboot_outcome_sentence
    REBOOT_UNFINISHED = (
        "reboot.unfinished",
        Level.WARNING,
        text.with_reason("the reboot of an earlier job could not be finished"),
    )
    REBOOT_VERIFIED = "reboot.verified", Level.INFO, text.reboot_outcome_sentence
    RECORD_DAMAGED = "record.damaged", Level.ERROR, text.with_reason("the record is damaged")
    RECORD_UNWRITTEN = "record.unwritten", Level.ERROR, text.with_reason("the {job} could not be recorded")
    ENDPOINT_REQUEST = "request.changed", Level.INFO, text.endpoint_request_sentence
    ENDPOINT_REQUEST_REFUSED = "request.refused", Level.WARNING, text.endpoint_request_sentence
    REQUEST_ACCEPTED = "request.accepted", Level.DEBUG, "request for {job} from pid {pid}, uid {uid}"
    REQUEST_ANSWERED = "request.answered", Level.DEBUG, "{job} answered with exit code {exit_code}"
    REQUEST_BUG = "request.bug", Level.ERROR, text.with_reason("internal error in {job}", "exception")
    REQUEST_FAILED = "request.failed", Level.ERROR, text.with_reason("{job} failed (exit code {exit_code})")
    """The job did not start, or ended in a bug."""
    REQUEST_REJECTED = (
        "request.rejected",
        Level.WARNING,
        text.with_reason("request from pid {pid}, uid {uid} rejected", "reason"),
    )
    SERVICES_FAILED = "services.failed", Level.ERROR, text.restart_sentence
    """A service did not stay active after its restart, or could not be restarted."""
    SERVICES_RESTARTED = "services.restarted", Level.INFO, text.restart_sentence
    SERVICES_UNSEEN = (
        "services.unseen",
        Level.WARNING,
        text.with_reason("which services run deleted files is unknown", "reason"),
    )
    SNOOZE_ENDED = "snooze.ended", Level.INFO, "the snooze of {what} was ended by {requested_by}"
    SNOOZE_SET = (
        "snooze.set",
        Level.INFO,
        text.with_reason("{what} is snoozed until {until}, by {requested_by}", "comment"),
    )
    UPGRADE_FAILED = "upgrade.failed", Level.ERROR, text.failed_upgrade_sentence()
    UPGRADE_FINISHED = "upgrade.finished", Level.INFO, text.upgrade_sentence()
    UPGRADE_INTERRUPTED = "upgrade.interrupted", Level.WARNING, text.upgrade_sentence(" was interrupted")
    UPGRADE_DEFERRED = "upgrade.deferred", Level.WARNING, text.upgrade_sentence(" deferred by a hook")
    UPGRADE_POSTPONED = "upgrade.postponed", Level.WARNING, text.upgrade_sentence(" postponed")
    UPGRADE_STALE = "upgrade.stale", Level.WARNING, text.upgrade_sentence(" installed nothing")
    UPGRADE_STOPPED = "upgrade.stopped", Level.WARNING, text.upgrade_sentence(" stopped")
    WALL_FAILED = "wall.failed", Level.WARNING, text.with_reason("the users could not be warned of the reboot")
    WATCH_UNAVAILABLE = (
        "watch.unavailable",
        Level.INFO,
        text.with_reason("the kernel reports no changes; the daemon looks for them every 30 s"),
    )

    def __new__(cls, name: str, level: Level, sentence: "str | text.Sentence") -> "LogEvent":
        """Build a member whose value is its name."""
        event = object.__new__(cls)
        event._value_ = name
        event.level = level
        event.sentence = text.sentence(sentence) if isinstance(sentence, str) else sentence
        return event


class _Log:
    """Where this process logs to, and the fields that all of its entries have."""

    write: Write = staticmethod(discard)
    context: Mapping[str, object] = {}


def set_up(*, to_stderr: bool = False) -> None:
    """Choose where entries go; call once, from an entry point.

    `to_stderr`: whether to log to standard error on a machine without journald and syslog, as a service does.
    """
    write_to(choose_target(to_stderr=to_stderr))


def set_up_when_needed() -> None:
    """Do the same with the first entry: most runs of an exporter log nothing, and the journal's library is large.

    Not for who replaces packages: that library may be among them.
    """
    write_to(_set_up_and_write)


def _set_up_and_write(entry: LogEntry) -> None:
    set_up()
    _Log.write(entry)


def write_to(write: Write) -> None:
    """Send all entries to a function."""
    _Log.write = staticmethod(write)


def set_context(**fields: object) -> None:
    """Set the fields that every further entry of this process has, such as the job and the run."""
    _Log.context = fields


def event(name: LogEvent, **fields: object) -> None:
    """Log one event with its data."""
    _Log.write(_entry(name, fields))


def exception(name: LogEvent, **fields: object) -> None:
    """Log an event together with the traceback of the exception that is being handled."""
    error = sys.exc_info()[1]
    found = {**fields, "exception": f"{type(error).__name__}: {error}"}
    _Log.write(_entry(name, found, traceback=traceback.format_exc()))


def _entry(name: LogEvent, fields: Mapping[str, object], traceback: str = "") -> LogEntry:
    data = {key: redact_document(value) for key, value in {**_Log.context, **fields}.items()}
    message = text.one_line(redact(name.sentence(data)))
    return LogEntry(
        event=name.value, priority=name.level.value, message=message, data=data, traceback=redact(traceback)
    )
