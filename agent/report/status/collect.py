"""Reads the record for `status` and for reports, and weighs it. Light: imports nothing heavy, asks no network.

Where something of the record is damaged, that is told, and the rest without it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from agent.errors import RecordError
from agent.host.machine.boot_id import boot_id
from agent.host.reboot.flag import read_flag
from agent.host.systemd import systemd_runs
from agent.report.status.document import Daemon, Document, Running, status_document, status_lines
from agent.report.status.health import Health
from agent.report.status.runtime import Present
from agent.state.daemon_status import RUN_DIRECTORY, read_daemon
from agent.state.exporter_status import Listener, entry_of, read_telling
from agent.state.job_status import read_jobs, running_job
from agent.state.json_reader import Reader
from agent.state.store import STATE, Store

_ENABLED = "/etc/systemd/system/multi-user.target.wants/maestro-agent.service"


def standing(store: Store, now: datetime, run_dir: str = RUN_DIRECTORY) -> tuple[Health, Document, list[str]]:
    """Return how the machine stands: in a word, as `maestro.status/1`, and in words."""
    damaged: list[str] = []
    state = last = jobs = daemon = None
    with _noting(damaged):
        state = store.read(STATE, "maestro.state/1")
    with _noting(damaged):
        last = next((store.read_run(run_id, "maestro.outcome/1") for run_id in store.run_ids()), None)
    with _noting(damaged):
        jobs = read_jobs(store)
    with _noting(damaged):
        daemon = _daemon(run_dir)
    telling = _telling(run_dir, damaged)
    # What has the right schema but not its shape shows only as it is weighed: then the rest is told without it.
    tries = ((state, last, jobs, daemon, telling), (state, last, None, None, None), (None, None, None, None, None))
    for found in tries[:-1]:
        try:
            return _weigh(store, *found, now=now, damaged=damaged)
        except (RecordError, ValueError, OverflowError) as error:
            damaged.append(str(error))
    return _weigh(store, *tries[-1], now=now, damaged=damaged)


@contextmanager
def _noting(damaged: list[str]) -> Iterator[None]:
    """Go on without what cannot be read, and note why."""
    try:
        yield
    except RecordError as error:
        damaged.append(str(error))


def _telling(run_dir: str, damaged: list[str]) -> Reader | None:
    """Return what the senders say, each of its own listener; None where none says anything."""
    found: Document = {}
    for listener in Listener:
        with _noting(damaged):
            entry = entry_of(read_telling(run_dir, listener), listener)
            found |= {listener.value: entry} if entry else {}
    return Reader({"listeners": found}, "telling") if found else None


def _daemon(run_dir: str) -> Daemon | None:
    """Return the daemon where it lives, or where systemd is to keep it alive."""
    found = read_daemon(run_dir)
    if found is not None:
        return Daemon(*found)
    return Daemon(None, None) if systemd_runs() and os.path.exists(_ENABLED) else None


def _weigh(
    store: Store,
    state: Reader | None,
    last: Reader | None,
    jobs: Reader | None,
    daemon: Daemon | None,
    telling: Reader | None,
    *,
    now: datetime,
    damaged: list[str],
) -> tuple[Health, Document, list[str]]:
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
        telling=telling,
        present=Present(boot_id(), os.uname().release),
    )
    return health, document, status_lines(Reader(document, "status"), os.uname().nodename, now)
