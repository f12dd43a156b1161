"""What every step of a job works with."""

from dataclasses import dataclass

from agent.core.policy.policy import Policy
from agent.core.ports import JobControl, Machine, PackageEngine
from agent.state.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What every step of a job works with."""

    policy: Policy
    engine: PackageEngine
    machine: Machine
    record: Record
    control: JobControl
    run_id: str = ""
    """Id of this run in the history; empty for a job that leaves no outcome there."""
