"""The context of a job on this machine: the adapters behind its ports."""

import os
from pathlib import Path

from agent.config.accepted import load_for_job
from agent.core.engine_ports import EngineActs
from agent.core.job_control import JobControl
from agent.core.policy.policy import Policy
from agent.core.weave.ports import WeaveActs
from agent.host.apt.engine import AptEngine
from agent.host.apt.engine_packages import AptEnginePackages
from agent.host.apt.history import RunOrigin
from agent.host.apt.runtime_archives import AptRuntimeArchives
from agent.host.apt.snapshot import AgentFiles
from agent.host.docker.job_host import LocalEngineHost
from agent.host.docker.observer import LocalEngines
from agent.host.docker.operator import LocalEngineOperator
from agent.host.machine.local import LocalMachine
from agent.host.machine.os_release import read_distro
from agent.host.process.deadline import with_time_limit
from agent.host.weave.files import LocalWeaveFiles
from agent.host.weave.router import LocalRouterOperator
from agent.state.job_status import REQUESTED_BY_SCHEDULE
from agent.state.record import Record
from agent.state.store import Store
from agent.worker.context import JobContext
from agent.worker.protocol import JobRequest


def open_context(request: JobRequest, control: JobControl, record: Record, run_id: str = "") -> JobContext:
    """Return the job's context on this machine; `run_id` as in `JobContext`.

    Raises:
        ConfigError: the configuration is wrong.
        HostError: the distribution is unknown.
    """
    scheduled = request.requested_by == REQUESTED_BY_SCHEDULE
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
        engine_packages=AptEnginePackages(engine),
        engine_acts=engine_acts(store, engine, control),
        weave_acts=weave_acts(store, policy, control),
        record=record,
        control=control,
        manifest=manifest,
        run_id=run_id,
    )


def engine_acts(store: Store, engine: AptEngine, control: JobControl) -> EngineActs:
    """Return what changes an engine on this machine."""
    kept = os.path.join(store.directory, "docker-packages")
    return EngineActs(
        operator=LocalEngineOperator(alive=control.alive),
        archives=AptRuntimeArchives(Path(kept), engine.transactions, alive=control.alive),
        host=LocalEngineHost(kept, alive=control.alive),
    )


def weave_acts(store: Store, policy: Policy, control: JobControl) -> WeaveActs:
    """Return what changes Weave on this machine."""
    kept = os.path.join(store.directory, "weave-kept")
    return WeaveActs(router=LocalRouterOperator(alive=control.alive), files=LocalWeaveFiles(kept, policy.weave))


def _origin(request: JobRequest, run_id: str) -> RunOrigin:
    """Return what apt's history shows of a job."""
    run = f" (run {run_id})" if run_id else ""
    return RunOrigin(command=f"maestro-agent {request.kind.command}{run}", requested_by=request.requested_by)
