"""Reads the record and the current boot for `status` and reports. Light: imports nothing heavy, no network.

A damaged part is replaced by its reason; all other parts are kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime

from agent.core.exporters import ExporterName
from agent.core.schemas import (
    ENGINE_OUTCOME_SCHEMA,
    FLEET_LOCK_SCHEMA,
    OUTCOME_SCHEMA,
    PROVISION_SCHEMA,
    REBOOT_OUTCOME_SCHEMA,
    REBOOT_SCHEDULE_SCHEMA,
    REBOOT_SCHEMA,
    REQUESTS_SCHEMA,
    SNOOZES_SCHEMA,
    STATE_SCHEMA,
)
from agent.errors import RecordError
from agent.host.changes import changed_since
from agent.host.machine.boot_id import boot_id
from agent.host.machine.os_name import os_name
from agent.host.reboot.need import RebootNeed, read_reboot_need
from agent.host.systemd import systemd_runs
from agent.host.unit_file import UnitState, masked_worker_unit, unit_state
from agent.report.status.exporters import ExporterView
from agent.report.status.observed import CurrentBoot, DaemonView, Damaged, Observed, RebootDocuments, RunningJob
from agent.state.daemon_status import RUN_DIRECTORY, read_daemon_status
from agent.state.daily_job_view import DailyJobView, read_daily_job
from agent.state.exporter_status import read_exporter_status, status_entry
from agent.state.job_lock import worker_pid
from agent.state.job_status import read_job_status, running_job
from agent.state.job_views import JobView, job_views
from agent.state.json_reader import JsonReader
from agent.state.lazy_module import lazy_module
from agent.state.store import (
    ENGINE_OUTCOMES,
    FLEET_LOCK,
    PROVISION,
    REBOOT,
    REBOOT_OUTCOME,
    REBOOT_SCHEDULE,
    REQUESTS,
    SNOOZES,
    STATE,
    Store,
)
from agent.state.views import RebootView, RunView, StateView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.host.machine import identity
    from agent.state import (
        engine_outcome_view,
        fleet_lock_view,
        job_progress,
        provision_view,
        reboot_outcome_view,
        reboot_view,
        requests_view,
        snooze_view,
    )
else:
    engine_outcome_view = lazy_module("agent.state.engine_outcome_view")
    fleet_lock_view = lazy_module("agent.state.fleet_lock_view")
    identity = lazy_module("agent.host.machine.identity")
    job_progress = lazy_module("agent.state.job_progress")
    provision_view = lazy_module("agent.state.provision_view")
    reboot_outcome_view = lazy_module("agent.state.reboot_outcome_view")
    reboot_view = lazy_module("agent.state.reboot_view")
    requests_view = lazy_module("agent.state.requests_view")
    snooze_view = lazy_module("agent.state.snooze_view")


def collect_status(store: Store, run_dir: str = RUN_DIRECTORY) -> Observed:
    """Read every part once."""
    pid = worker_pid(store.directory)
    jobs, running = _jobs(store)
    need = _reboot_need()
    unit = unit_state() if systemd_runs() else None
    state, boot = _state(store), _boot(need)
    return Observed(
        host=os.uname().nodename,
        boot=boot,
        reboot=need if isinstance(need, Damaged) else _reboot(need, state, boot),
        os=os_name(),
        changed=changed_since(state.seen_at) if isinstance(state, StateView) else (),
        state=state,
        last_run=_last_run(store),
        jobs=jobs,
        running=RunningJob(pid, running, job_progress.last_message(store.directory, pid)) if pid else None,
        daemon=_daemon(run_dir, unit),
        unit=unit,
        masked_worker=masked_worker_unit() if unit is not None else "",
        exporters=_exporters(run_dir),
        engine_runs=_engine_runs(store),
        reboots=_reboots(store),
        snoozes=_snoozes(store),
        provision=_provision(store),
        daily_job=_daily_job(store),
        requests=_requests(store),
    )


def _boot(need: RebootNeed | Damaged) -> CurrentBoot:
    if isinstance(need, Damaged):
        return CurrentBoot(boot_id(), os.uname().release)
    return CurrentBoot(boot_id(), None, need.kernel, in_container=need.in_container)


def _reboot(need: RebootNeed, state: StateView | Damaged | None, boot: CurrentBoot) -> RebootView:
    earlier = state.reboot_required_since(boot.boot_id) if isinstance(state, StateView) else None
    return need.view.since_at_least(earlier)


def _state(store: Store) -> StateView | Damaged | None:
    try:
        found = store.read(STATE, STATE_SCHEMA)
        return StateView(found) if found else None
    except RecordError as error:
        return Damaged(str(error))


def _last_run(store: Store) -> RunView | Damaged | None:
    try:
        _, found = store.newest_run(OUTCOME_SCHEMA)
        return RunView(found) if found else None
    except RecordError as error:
        return Damaged(str(error))


def _engine_runs(store: Store) -> Mapping[str, engine_outcome_view.EngineOutcomeView | Damaged]:
    """Return the last upgrade of Docker and of Weave by component."""
    runs: dict[str, engine_outcome_view.EngineOutcomeView | Damaged] = {}
    for component, name in ENGINE_OUTCOMES.items():
        try:
            found = store.read(name, ENGINE_OUTCOME_SCHEMA)
            if found is not None:
                runs[component] = engine_outcome_view.EngineOutcomeView(found)
        except RecordError as error:
            runs[component] = Damaged(str(error))
    return runs


def _reboots(store: Store) -> RebootDocuments:
    found = RebootDocuments()

    def last() -> None:
        document = store.read(REBOOT_OUTCOME, REBOOT_OUTCOME_SCHEMA)
        found.last = reboot_outcome_view.RebootOutcomeView(document) if document else None

    def schedule() -> None:
        document = store.read(REBOOT_SCHEDULE, REBOOT_SCHEDULE_SCHEMA)
        found.schedule = reboot_view.RebootScheduleView(document) if document else None

    def course() -> None:
        # A damaged one stays where it is: the next job needs it.
        document = store.read(REBOOT, REBOOT_SCHEMA, keep=True)
        found.course = reboot_view.RebootCourseView(document) if document else None

    def lock() -> None:
        document = store.read(FLEET_LOCK, FLEET_LOCK_SCHEMA, keep=True)
        found.lock = fleet_lock_view.FleetLockView(document) if document else None

    for read in (last, schedule, course, lock):
        try:
            read()
        except RecordError as error:
            found.damaged.append(str(error))
    return found


def _snoozes(store: Store) -> list[snooze_view.SnoozeView] | Damaged:
    # A damaged one stays, as the next two: `snooze` replaces it, the next request sets it aside, and the daemon
    # provisions no server whose record it cannot read.
    try:
        found = store.read(SNOOZES, SNOOZES_SCHEMA, keep=True)
        views = snooze_view.snooze_views(found) if found else []
    except RecordError as error:
        return Damaged(str(error))
    return views


def _provision(store: Store) -> provision_view.ProvisionView | Damaged | None:
    try:
        found = store.read(PROVISION, PROVISION_SCHEMA, keep=True)
        view = provision_view.ProvisionView(found) if found else None
    except RecordError as error:
        return Damaged(str(error))
    return view if view and view.machine == identity.host_id() else None  # else the disk of another server


def _daily_job(store: Store) -> DailyJobView | Damaged | None:
    try:
        return read_daily_job(store)
    except RecordError as error:
        return Damaged(str(error))


def _requests(store: Store) -> list[requests_view.RequestView] | Damaged | None:
    try:
        found = store.read(REQUESTS, REQUESTS_SCHEMA, keep=True)
        views = requests_view.request_views(found) if found else None
    except RecordError as error:
        return Damaged(str(error))
    return views


def _jobs(store: Store) -> tuple[Mapping[str, JobView] | Damaged | None, tuple[str, datetime] | None]:
    """Return all jobs, and the kind and start of the one that has not ended."""
    try:
        found = read_job_status(store)
        return (job_views(found), running_job(found)) if found else (None, None)
    except RecordError as error:
        return Damaged(str(error)), None


def _daemon(run_dir: str, unit: UnitState | None) -> DaemonView | Damaged | None:
    """Return the daemon if it is alive, or if systemd should keep it alive."""
    try:
        found = read_daemon_status(run_dir)
        if found is not None:
            return DaemonView(*found, monotonic_s=time.monotonic())
    except RecordError as error:
        return Damaged(str(error))
    return DaemonView(None, None) if unit is UnitState.ENABLED else None


def _exporters(run_dir: str) -> Mapping[ExporterName, ExporterView | Damaged]:
    """Return the exporters that have written a status since boot."""
    found: dict[ExporterName, ExporterView | Damaged] = {}
    for name in ExporterName:
        try:
            entry = status_entry(read_exporter_status(run_dir, name), name)
            if entry:
                found[name] = ExporterView(JsonReader(entry, f"exporters: {name.value}"))
        except (RecordError, OverflowError) as error:
            found[name] = Damaged(str(error))
    return found


def _reboot_need() -> RebootNeed | Damaged:
    try:
        return read_reboot_need()
    except OSError as error:
        return Damaged(f"whether a reboot is required could not be read: {error}")
