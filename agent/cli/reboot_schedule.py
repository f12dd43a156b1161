"""`reboot --at` and `reboot --cancel`: what root has scheduled, which the daemon carries out."""

import argparse
import os
import signal
from contextlib import suppress
from datetime import datetime, timedelta

from agent.cli.options import requested_by
from agent.cli.output import print_error, print_json, print_lines
from agent.core.job_kinds import JobKind, JobOption
from agent.core.reboot.model import RebootSchedule
from agent.core.redact import redact
from agent.core.schedule.requested_time import parse_requested_time
from agent.core.schemas import REBOOT_SCHEDULE_SCHEMA, Document
from agent.errors import ExitCode, PrivilegeError, RecordError, UsageError
from agent.host import log
from agent.host.machine.local_zone import local_zone
from agent.host.machine.user import is_root
from agent.host.wall import send_wall
from agent.report.reboot_messages import cancelled_message, scheduled_message
from agent.report.reboot_plan_text import schedule_lines
from agent.state.daemon_status import read_daemon_status
from agent.state.documents.reboot_course import schedule_to_document
from agent.state.job_lock import worker_pid
from agent.state.job_status import read_job_status, running_job
from agent.state.reboot_record import RebootRecord
from agent.state.store import DEFAULT_DIRECTORY, Store
from agent.state.timestamps import format_human, format_utc, utc_now

_TRIED_FOR = timedelta(hours=2)
"""How long a reboot is tried again whose time has come, while a gate is closed."""
_LONGEST_COMMENT = 200


def schedule(arguments: argparse.Namespace, options: frozenset[JobOption]) -> int:
    """Schedule a reboot in place of what was scheduled; exit 0.

    Raises:
        UsageError: it is no time, or one of the past. PrivilegeError: root is needed. HostError: it cannot be recorded.
    """
    _require_root()
    now = utc_now().replace(microsecond=0)
    made = _schedule(arguments, options, now)
    record = RebootRecord(Store(arguments.state_dir))
    replaced = _recorded(record)
    record.save_schedule(made, now)
    log.set_up()
    log.event(log.LogEvent.REBOOT_SCHEDULED, at=format_utc(made.at), requested_by=made.requested_by)
    needed = JobOption.IF_REQUIRED in options
    _notify_users(arguments.state_dir, _message(made))
    if read_daemon_status() is None:
        print_error("the daemon does not run, and nothing else carries this out: `systemctl start maestro-agent`")
    if arguments.json:
        print_json(schedule_to_document(made, now))
    elif not arguments.quiet:
        print_lines(schedule_lines(made, now, if_required=needed, replaced=replaced))
    return ExitCode.OK


def cancel(arguments: argparse.Namespace) -> int:
    """End what is scheduled, and stop a reboot that has not begun; exit 0, also if there is neither.

    Raises:
        PrivilegeError: root is needed. HostError: it cannot be removed.
    """
    _require_root()
    now = utc_now()
    record = RebootRecord(Store(arguments.state_dir))
    found = _recorded(record)
    record.end_schedule()
    stopped = _stop_running(arguments.state_dir)
    log.set_up()
    if found is not None:
        log.event(log.LogEvent.REBOOT_CANCELLED, at=format_utc(found.at), requested_by=requested_by())
        _notify_users(arguments.state_dir, cancelled_message(found.at, requested_by=requested_by()))
    if arguments.json:
        print_json(_nothing_scheduled(now))
    elif not arguments.quiet:
        lines = [f"The reboot scheduled for {format_human(found.at)} is cancelled."] if found else []
        lines += ["The reboot that was about to begin is asked to stop: `maestro-agent follow`"] if stopped else []
        print_lines(lines or ["No reboot is scheduled."])
    return ExitCode.OK


def _notify_users(state_dir: str, message: str) -> None:
    """Write to everybody who is logged in, unless the record is another one than the daemon's."""
    if state_dir == DEFAULT_DIRECTORY:
        send_wall(redact(message))


def _recorded(record: RebootRecord) -> RebootSchedule | None:
    """Return what is scheduled; a damaged schedule is none: it is replaced or removed, too."""
    with suppress(RecordError):
        return record.load_schedule()
    return None


def _require_root() -> None:
    if not is_root():
        raise PrivilegeError("reboot needs root (`sudo maestro-agent reboot`)")


def _schedule(arguments: argparse.Namespace, options: frozenset[JobOption], now: datetime) -> RebootSchedule:
    try:
        at = parse_requested_time(arguments.at, now, local_zone())
    except ValueError as error:
        raise UsageError(f"--at: {error}") from error
    return RebootSchedule(
        at=at,
        until=at + _TRIED_FOR,
        created_at=now,
        requested_by=requested_by(),
        options=options,
        comment=redact(" ".join((arguments.comment or "").split()))[:_LONGEST_COMMENT],
    )


def _message(made: RebootSchedule) -> str:
    """Return what logged-in users read."""
    needed = JobOption.IF_REQUIRED in made.options
    return scheduled_message(made.at, requested_by=made.requested_by, if_required=needed, comment=made.comment)


def _stop_running(state_dir: str) -> bool:
    """Ask a running reboot to stop, as systemd would: it stops unless the machine is going down already."""
    pid = worker_pid(state_dir)
    if pid is None:
        return False
    with suppress(RecordError, ProcessLookupError):
        found = read_job_status(Store(state_dir))
        if found is not None and (running_job(found) or ("",))[0] == JobKind.REBOOT.value:
            os.kill(pid, signal.SIGTERM)
            return True
    return False


def _nothing_scheduled(now: datetime) -> Document:
    """Return `maestro.reboot-schedule/1` of a machine on which no reboot is scheduled."""
    return {
        "schema": REBOOT_SCHEDULE_SCHEMA,
        "generated_at": format_utc(now),
        **dict.fromkeys(("at", "until", "created_at", "requested_by")),
        "options": [],
        "comment": None,
    }
