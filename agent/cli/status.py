"""`maestro-agent status`: answers at once from the record, whatever else is on fire. Imports nothing heavy."""

import argparse
import os
from datetime import datetime, timezone

from agent.cli.output import print_json, print_lines
from agent.errors import RecordError
from agent.host.rebootflag import read_flag
from agent.jobrecord import JOBS, JOBS_SCHEMA
from agent.liveness import read_daemon
from agent.reading import Reader
from agent.status import Daemon, Health, status_document, status_lines
from agent.store import STATE, Store

_SYSTEMD = "/run/systemd/system"
"""There where systemd is this machine's init (sd_booted(3))."""
_ENABLED = "/etc/systemd/system/multi-user.target.wants/maestro-agent.service"
EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes."""
    parser.add_argument("--json", action="store_true", help="print maestro.status/1")


def run(arguments: argparse.Namespace) -> int:
    """Print the record as it stands now; exit 0 healthy, 10 attention, 3 unknown or stale."""
    store = Store(arguments.state_dir)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        state = store.read(STATE, "maestro.state/1")
        last = next((store.read_run(run_id, "maestro.outcome/1") for run_id in store.run_ids()), None)
        health, document, lines = _weigh(store, state, last, now=now)
    except (RecordError, ValueError, OverflowError) as error:
        health, document, lines = _weigh(store, None, None, now=now, problem=str(error))
    if arguments.json:
        print_json(document)
    else:
        print_lines(lines)
    return health.exit_code


def _daemon() -> Daemon | None:
    """Return the daemon where it lives, or where systemd is to keep it alive."""
    found = read_daemon()
    if found is not None:
        return Daemon(*found)
    return Daemon(None, None) if os.path.isdir(_SYSTEMD) and os.path.exists(_ENABLED) else None


def _jobs(store: Store) -> Reader | None:
    document = store.read(JOBS, JOBS_SCHEMA)
    return document.part("jobs") if document else None


def _weigh(
    store: Store, state: Reader | None, last: Reader | None, *, now: datetime, problem: str = ""
) -> tuple[Health, dict[str, object], list[str]]:
    """Return health, document and text; a record of the wrong shape shows here and raises RecordError."""
    flag, reboot_problem = None, ""
    try:
        flag = read_flag()
    except OSError as error:
        reboot_problem = f"whether a reboot is required could not be read: {error}"
    health, document = status_document(
        state,
        last,
        flag,
        now=now,
        problem=problem,
        reboot_problem=reboot_problem,
        worker_pid=store.worker_pid(),
        daemon=_daemon(),
        jobs=_jobs(store),
    )
    return health, document, status_lines(Reader(document, "status"), os.uname().nodename, now)
