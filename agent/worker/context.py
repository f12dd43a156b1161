"""What every step of a job works with."""

from dataclasses import dataclass

from agent.core.policy.policy import Policy
from agent.core.ports import Changelogs, Machine, PackageEngine, Stop, Tell
from agent.state.record import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a job works with."""

    policy: Policy
    engine: PackageEngine
    changelogs: Changelogs
    machine: Machine
    memory: Memory
    tell: Tell
    stop: Stop = lambda: ""
