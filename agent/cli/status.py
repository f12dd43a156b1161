"""`maestro-agent status`: answers at once from the record, whatever else is on fire. Imports nothing heavy."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from agent.cli.output import print_json, print_lines
from agent.errors import RecordError
from agent.host.rebootflag import read_flag
from agent.jobrecord import read_jobs, running_job
from agent.liveness import read_daemon, systemd_runs
from agent.reading import Reader
from agent.status import Daemon, Health, Running, status_document, status_lines
from agent.store import STATE, Store

_ENABLED = "/etc/systemd/system/multi-user.target.wants/maestro-agent.service"
EXAMPLE = "example: maestro-agent status --json | jq .reasons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `status` takes."""
    parser.add_argument("--json", action="store_true", help="print maestro.status/1")


def run(arguments: argparse.Namespace) -> int:
    """Print the record as it stands now; exit 0 healthy, 10 attention, 3 unknown or stale."""
    store = Store(arguments.state_dir)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    damaged: list[str] = []
    state = last = jobs = daemon = None
    with _noting(damaged):
        state = store.read(STATE, "maestro.state/1")
    with _noting(damaged):
        last = next((store.read_run(run_id, "maestro.outcome/1") for run_id in store.run_ids()), None)
    with _noting(damaged):
        jobs = read_jobs(store)
    with _noting(damaged):
        daemon = _daemon()
    # What has the right schema but not its shape shows only as it is weighed: then the rest is told without it.
    for found in ((state, last, jobs, daemon), (state, last, None, None), (None, None, None, None)):
        try:
            health, document, lines = _weigh(store, *found, now=now, damaged=damaged)
            break
        except (RecordError, ValueError, OverflowError) as error:
            damaged.append(str(error))
    if arguments.json:
        print_json(document)
    else:
        print_lines(lines)
    return health.exit_code


@contextmanager
def _noting(damaged: list[str]) -> Iterator[None]:
    """Go on without what cannot be read, and note why."""
    try:
        yield
    except RecordError as error:
        damaged.append(str(error))


def _daemon() -> Daemon | None:
    """Return the daemon where it lives, or where systemd is to keep it alive."""
    found = read_daemon()
    if found is not None:
        return Daemon(*found)
    return Daemon(None, None) if systemd_runs() and os.path.exists(_ENABLED) else None


def _weigh(
    store: Store,
    state: Reader | None,
    last: Reader | None,
    jobs: Reader | None,
    daemon: Daemon | None,
    *,
    now: datetime,
    damaged: list[str],
) -> tuple[Health, dict[str, object], list[str]]:
    """Return health, document and text; a record of the wrong shape shows here and raises RecordError."""
    flag, reboot_problem = None, ""
    try:
        flag = read_flag()
    except OSError as error:
        reboot_problem = f"whether a reboot is required could not be read: {error}"
    pid = store.worker_pid()
    health, document = status_document(
        state,
        last,
        flag,
        now=now,
        damaged=damaged,
        reboot_problem=reboot_problem,
        running=Running(pid, running_job(jobs) if jobs else None) if pid else None,
        daemon=daemon,
        jobs=jobs.part("jobs") if jobs else None,
    )
    return health, document, status_lines(Reader(document, "status"), os.uname().nodename, now)
