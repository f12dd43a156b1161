"""`maestro-agent snooze`: leave an update alone until a date, list what is snoozed, or end it."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from agent.cli.flags import add_output
from agent.cli.options import requested_by
from agent.cli.output import print_error, print_json, print_lines
from agent.core.model.waiting import Snooze
from agent.core.packages.explain_cve import cve_id
from agent.core.packages.snooze_request import parse_comment, parse_until, parse_what, with_added, with_end
from agent.core.packages.snoozes import ended, in_force
from agent.core.redact import redact
from agent.errors import ExitCode, PrivilegeError, RecordError, UsageError
from agent.host import log
from agent.host.dpkg.installed import InstalledPackages
from agent.host.machine.local_zone import local_zone
from agent.host.machine.user import is_root
from agent.report.snooze_text import not_binding, snooze_lines
from agent.state.daily_job_view import read_daily_job
from agent.state.documents.snoozes import snoozes_to_document
from agent.state.job_lock import worker_pid
from agent.state.json_reader import JsonReader
from agent.state.snooze_view import SnoozeView
from agent.state.store import Store
from agent.state.timestamps import format_utc, utc_now
from agent.state.waiting_record import WaitingRecord

EXAMPLE = 'example: maestro-agent snooze nginx --until +30d --comment "after the fair"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `snooze`."""
    parser.add_argument("what", nargs="*", metavar="PACKAGE|CVE", help="a package, a package:arch, or a CVE id")
    until = '"2026-12-27" (its end), "2026-12-27T04:00" or "+30d"; a year at most'
    parser.add_argument("--until", metavar="DATE", help=until)
    parser.add_argument("--comment", metavar="TEXT", help="why, in one line; required")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="show what is snoozed (the default)")
    action.add_argument("--end", action="store_true", help="end the snoozes of these packages and CVEs now")
    add_output(parser, "maestro.snoozes/1")


def run(arguments: argparse.Namespace) -> int:
    """Snooze, list or end; exit 0, 2 if it is not possible as asked.

    Raises:
        UsageError: an argument is wrong. PrivilegeError: root is needed. BusyError: somebody else changes them.
        RecordError: the list cannot be read. HostError: it cannot be written.
    """
    _check_options(arguments)
    record, now = WaitingRecord(Store(arguments.state_dir)), utc_now().replace(microsecond=0)
    if arguments.end:
        after = _end(arguments, record, now)
    elif arguments.what:
        after = _add(arguments, record, now)
    else:
        after = record.load_snoozes()
    document = snoozes_to_document(after, now)
    if arguments.json:
        print_json(document)
    elif not arguments.quiet:
        shown = [SnoozeView(part) for part in JsonReader(document, "snoozes").children("snoozes")]
        print_lines(snooze_lines(shown, now))
    return ExitCode.OK


def _check_options(arguments: argparse.Namespace) -> None:
    given = [name for name in ("until", "comment") if getattr(arguments, name) is not None]
    making = bool(arguments.what) and not arguments.end
    if arguments.list and (arguments.what or given):
        raise UsageError("--list shows all snoozes: it takes no package, CVE or option")
    if arguments.end and not arguments.what:
        raise UsageError("--end: name the packages or CVEs whose snoozes end")
    if given and not making:
        raise UsageError(f"--{given[0]} is an option of a new snooze: name a package or a CVE, without --end")
    if making and len(given) < 2:  # noqa: PLR2004 - both
        raise UsageError("a snooze needs --until DATE, when it ends by itself, and --comment TEXT, why")


def _add(arguments: argparse.Namespace, record: WaitingRecord, now: datetime) -> tuple[Snooze, ...]:
    what = _what(arguments)
    try:
        until = parse_until(arguments.until, now, local_zone())
        comment = redact(parse_comment(arguments.comment))
    except ValueError as error:
        raise UsageError(str(error)) from error
    _require_root()
    made = [Snooze(what=one, until=until, comment=comment, by=requested_by(), at=now) for one in what]
    after = _update(record, lambda before: with_added(before, made, now), now)
    for one in made:
        log.event(
            log.LogEvent.SNOOZE_SET,
            what=one.what,
            until=format_utc(one.until),
            requested_by=one.by,
            comment=one.comment,
        )
    _warn_of_unknown(what)
    _warn_of_their_job(Store(arguments.state_dir))
    if worker_pid(arguments.state_dir) is not None:
        print_error("a job is running; what it has planned already may still be installed (`maestro-agent follow`)")
    return after


def _end(arguments: argparse.Namespace, record: WaitingRecord, now: datetime) -> tuple[Snooze, ...]:
    what = _what(arguments)
    _require_root()
    known = {one.what for one in in_force(record.load_snoozes(), now)}
    unknown = [one for one in what if one not in known]
    if unknown:
        names = ", ".join(sorted(known)) or "nothing"
        raise UsageError(f"not snoozed: {', '.join(unknown)}; snoozed is: {names}")
    after = _update(record, lambda before: with_end(before, what, now), now)
    for one in what:
        log.event(log.LogEvent.SNOOZE_ENDED, what=one, requested_by=requested_by())
    return after


def _what(arguments: argparse.Namespace) -> list[str]:
    try:
        return list(dict.fromkeys(parse_what(text) for text in arguments.what))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _require_root() -> None:
    if not is_root():
        raise PrivilegeError("snooze needs root (`sudo maestro-agent snooze`)")
    log.set_up()


def _update(
    record: WaitingRecord, change: Callable[[tuple[Snooze, ...]], tuple[Snooze, ...]], now: datetime
) -> tuple[Snooze, ...]:
    """Change the snoozes; a damaged document is set aside first, so that a new one can be written.

    Raises:
        UsageError: there would be too many. BusyError, HostError: as `WaitingRecord.update_snoozes`.
    """
    try:
        record.load_snoozes()
    except RecordError as error:
        record.set_snoozes_aside()
        print_error(f"{error}; it was set aside, and what it snoozed is not snoozed any more")
    try:
        return record.update_snoozes(lambda before: change(ended(before, now)), now)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _warn_of_unknown(what: Sequence[str]) -> None:
    """Name packages that are not installed: a name or an architecture that is mistyped would hold nothing."""
    with suppress(OSError):
        installed = InstalledPackages()
        for one in what:
            if cve_id(one) is None and not installed.has(one):
                print_error(f"{one} is not installed on this machine; it will not be installed as a dependency either")


def _warn_of_their_job(store: Store) -> None:
    with suppress(RecordError):
        job = read_daily_job(store)
        if notice := not_binding(job.patcher if job else None):
            print_error(notice)
