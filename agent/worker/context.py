"""What every step of a job works with."""

from dataclasses import dataclass

from agent.core.policy.policy import Policy
from agent.core.ports import Changelogs, Machine, PackageEngine, Progress, StopReason
from agent.state.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a job works with."""

    policy: Policy
    engine: PackageEngine
    changelogs: Changelogs
    machine: Machine
    record: Record
    tell: Progress
    stop: StopReason = lambda: ""
