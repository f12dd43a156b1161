"""What changes Docker and Weave on this machine. Imported by name, only by a job that does."""

import os
from pathlib import Path

from agent.core.engine_ports import EngineActs
from agent.core.job_control import JobControl
from agent.core.policy.policy import Policy
from agent.core.weave.ports import WeaveActs
from agent.host.apt.engine import AptEngine
from agent.host.apt.runtime_archives import AptRuntimeArchives
from agent.host.docker.job_host import LocalEngineHost
from agent.host.docker.operator import LocalEngineOperator
from agent.host.weave.files import LocalWeaveFiles
from agent.host.weave.router import LocalRouterOperator
from agent.state.store import Store


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
