"""The context of a job on this machine: the adapters behind its ports."""

import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from agent.config.accepted import load_for_job
from agent.core.job_control import JobControl
from agent.core.job_kinds import REQUEST_JOBS
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.engine import AptEngine
from agent.host.apt.history import RunOrigin
from agent.host.docker.observer import LocalEngines
from agent.host.hook_directory import LocalHooks
from agent.host.machine.identity import machine_id
from agent.host.machine.local import LocalMachine
from agent.host.machine.os_release import read_distro
from agent.host.process.deadline import with_time_limit
from agent.host.service_control import SystemdServices
from agent.host.unattended_upgrades.switch import LocalDailyJob
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.record import Record
from agent.worker.context import JobContext
from agent.worker.protocol import JobRequest


def open_context(request: JobRequest, control: JobControl, record: Record, run_id: str = "") -> JobContext:
    """Return the job's context on this machine; `run_id` as in `JobContext`.

    Raises:
        ConfigError: the configuration is wrong.
        HostError: the distribution is unknown.
    """
    of_endpoint = request.kind in REQUEST_JOBS or request.request_id
    scheduled = bool(of_endpoint) or request.requested_by == REQUESTED_BY_SCHEDULE
    policy, manifest = load_for_job(request.config, request.state_dir, read_distro(), scheduled=scheduled)
    limit, store = policy.apt.run_timeout, record.store
    late = f"out of time after {limit.total_seconds():.0f} s (apt.run_timeout)"
    control = with_time_limit(control, limit, late)
    files = AgentFiles(
        dpkg_log=Path(store.log_path(run_id) if run_id else os.devnull),
        download_log=Path(store.download_log_path),
        scratch=Path(store.directory, "ahead"),
    )
    engine = AptEngine(policy, files=files, control=control, origin=_origin(request, run_id))
    return JobContext(
        policy=policy,
        engine=engine,
        machine=LocalMachine(),
        engines=LocalEngines(),
        open_engine_packages=cache(lambda: _engine_packages(engine)),
        services=SystemdServices(alive=control.alive),
        hooks=LocalHooks(alive=control.alive),
        open_engine_acts=cache(lambda: _acts("engine").engine_acts(store, engine, control)),
        open_weave_acts=cache(lambda: _acts("engine").weave_acts(store, policy, control)),
        open_reboot_acts=cache(lambda: _acts("reboot").reboot_acts(store, policy, control, run_id)),
        record=record,
        control=control,
        manifest=manifest,
        machine_id=machine_id(),
        daily_job=LocalDailyJob(store),
        run_id=run_id,
    )


def _acts(what: str) -> Any:
    """Return a module by name: few jobs change an engine or reboot, and it loads an HTTP library and threads."""
    return importlib.import_module(f"agent.worker.{what}_acts")


def _engine_packages(engine: AptEngine) -> Any:
    """Return Docker's packages: a machine without Docker does not load what reads them."""
    return importlib.import_module("agent.host.apt.engine_packages").AptEnginePackages(engine)


def _origin(request: JobRequest, run_id: str) -> RunOrigin:
    """Return what apt's history shows of a job."""
    run = f" (run {run_id})" if run_id else ""
    return RunOrigin(command=f"maestro-agent {request.kind.command}{run}", requested_by=request.requested_by)
