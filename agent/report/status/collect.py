"""Reads the record for `status` and for reports, and weighs it. Light: imports nothing heavy, asks no network.

Where something of the record is damaged, that is told, and the rest without it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from agent.core.schemas import OUTCOME_SCHEMA, STATE_SCHEMA, Document
from agent.errors import RecordError
from agent.host.machine.boot_id import boot_id
from agent.host.reboot.flag import read_flag
from agent.host.systemd import systemd_runs
from agent.report.status.document import DaemonView, RunningJob, status_document, status_lines
from agent.report.status.health import Health
from agent.report.status.runtime import CurrentBoot
from agent.state.daemon_status import RUN_DIRECTORY, read_daemon_status
from agent.state.exporter_status import ExporterName, read_exporter_status, status_entry
from agent.state.job_status import read_job_status, running_job
from agent.state.json_reader import JsonReader
from agent.state.store import STATE, Store

_ENABLED = "/etc/systemd/system/multi-user.target.wants/maestro-agent.service"


def collect_status(store: Store, now: datetime, run_dir: str = RUN_DIRECTORY) -> tuple[Health, Document, list[str]]:
    """Return how the machine stands: in a word, as `maestro.status/1`, and in words."""
    damaged: list[str] = []
    state = last = jobs = daemon = None
    with _noting(damaged):
        state = store.read(STATE, STATE_SCHEMA)
    with _noting(damaged):
        last = next((store.read_run(run_id, OUTCOME_SCHEMA) for run_id in store.run_ids()), None)
    with _noting(damaged):
        jobs = read_job_status(store)
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


def _telling(run_dir: str, damaged: list[str]) -> JsonReader | None:
    """Return what the senders say, each of its own listener; None where none says anything."""
    found: Document = {}
    for listener in ExporterName:
        with _noting(damaged):
            entry = status_entry(read_exporter_status(run_dir, listener), listener)
            found |= {listener.value: entry} if entry else {}
    return JsonReader({"exporters": found}, "telling") if found else None


def _daemon(run_dir: str) -> DaemonView | None:
    """Return the daemon where it lives, or where systemd is to keep it alive."""
    found = read_daemon_status(run_dir)
    if found is not None:
        return DaemonView(*found)
    return DaemonView(None, None) if systemd_runs() and os.path.exists(_ENABLED) else None


def _weigh(
    store: Store,
    state: JsonReader | None,
    last: JsonReader | None,
    jobs: JsonReader | None,
    daemon: DaemonView | None,
    telling: JsonReader | None,
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
        running=RunningJob(pid, running_job(jobs) if jobs else None) if pid else None,
        daemon=daemon,
        jobs=jobs.child("jobs") if jobs else None,
        telling=telling,
        present=CurrentBoot(boot_id(), os.uname().release),
    )
    return health, document, status_lines(JsonReader(document, "status"), os.uname().nodename, now)
