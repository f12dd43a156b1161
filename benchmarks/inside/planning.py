"""Runs inside a machine, in a new process: times opening apt's cache, or one whole plan of the agent.

Both exclude the start of Python and its imports: this is the cost of the agent's code relative to libapt's.
"""

import json
import sys
import time
from pathlib import Path

import apt_pkg

from agent.config.load import load
from agent.core.job_control import JobControl
from agent.core.model.scope import Scope
from agent.host.apt.agent_files import AgentFiles
from agent.host.apt.engine import AptEngine
from agent.host.apt.engine_packages import AptEnginePackages
from agent.host.docker.observer import LocalEngines
from agent.host.hook_directory import LocalHooks
from agent.host.machine.local import LocalMachine
from agent.host.machine.os_release import read_distro
from agent.host.service_control import SystemdServices
from agent.state.record import Record
from agent.state.store import Store
from agent.worker.context import JobContext
from agent.worker.engine_acts import engine_acts, weave_acts
from agent.worker.reboot_acts import reboot_acts
from agent.worker.steps import plan as planning


def open_cache() -> tuple[int, int] | None:
    """Do the minimum that every program using libapt has to do."""
    apt_pkg.init_config()
    apt_pkg.init_system()
    apt_pkg.Cache(None)
    return None


def plan() -> tuple[int, int] | None:
    """Observe and decide, as `maestro-agent check --no-refresh` does; return how many updates are planned and held."""
    policy, _ = load(None, read_distro())
    record = Record(Store("/var/lib/maestro-agent"))
    control = JobControl(progress=lambda _: None)
    files = AgentFiles(
        dpkg_log=Path("/dev/null"), download_log=Path(record.store.download_log_path), scratch=Path("/nowhere")
    )
    engine = AptEngine(policy, files=files, control=control)
    context = JobContext(
        policy=policy,
        engine=engine,
        machine=LocalMachine(),
        engines=LocalEngines(),
        open_engine_packages=AptEnginePackages,
        services=SystemdServices(),
        hooks=LocalHooks(),
        open_engine_acts=lambda: engine_acts(record.store, engine, control),
        open_weave_acts=lambda: weave_acts(record.store, policy, control),
        open_reboot_acts=lambda: reboot_acts(record.store, policy, control, ""),
        record=record,
        control=control,
    )
    made = planning.observe_and_decide(context, Scope.SECURITY, record.load_refresh()).plan
    return len(made.install), len(made.held)


def main() -> None:
    """Run the function named by the argument; print wall and CPU seconds and the numbers planned as JSON."""
    started, cpu = time.perf_counter(), time.process_time()
    planned = {"open": open_cache, "plan": plan}[sys.argv[1]]()
    print(json.dumps([time.perf_counter() - started, time.process_time() - cpu, planned]))


if __name__ == "__main__":
    main()
