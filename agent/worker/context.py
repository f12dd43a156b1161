"""The context of a job: ports, policy, record and control, as each step gets them."""

from dataclasses import dataclass

from agent.core.engine_ports import EngineActs, EngineObserver, EnginePackages
from agent.core.job_control import JobControl
from agent.core.manifest import NO_MANIFEST, Manifest
from agent.core.policy.policy import Policy
from agent.core.ports import Machine, PackageEngine
from agent.core.weave.ports import WeaveActs
from agent.state.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """Everything that a step of a job needs."""

    policy: Policy
    engine: PackageEngine
    machine: Machine
    engines: EngineObserver
    engine_packages: EnginePackages
    engine_acts: EngineActs
    weave_acts: WeaveActs
    record: Record
    control: JobControl
    manifest: Manifest = NO_MANIFEST
    run_id: str = ""
    """Id of this run in the history; empty for a job that leaves no outcome there."""
