"""What the steps of a change of Docker work with, and the record of how far it came."""

from collections.abc import Callable

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.engine_ports import EngineObserver, EngineOperator, RuntimeArchives
from agent.core.frozen import frozen, replace
from agent.core.job_control import JobControl
from agent.worker.steps.docker.attachments import RunScript
from agent.worker.steps.engine_course import EngineCourse

_FINAL = frozenset({Phase.ROLLING_BACK, Phase.FORWARD_AGAIN})
"""Phases that stay on record while the engine is restarted: a run that is interrupted in one goes on with it."""


@frozen
class Tools:
    """What a change works with."""

    observer: EngineObserver
    operator: EngineOperator
    archives: RuntimeArchives
    save: Callable[[DockerSnapshot], None]
    """Records the snapshot durably; raises HostError."""
    control: JobControl
    run_weave: RunScript
    """Runs Weave's script."""
    boot_id: str
    """Of the running kernel."""


class Course(EngineCourse[DockerSnapshot, Phase]):
    """The snapshot of a change, with the phase that is on record."""

    def __init__(self, tools: Tools, snapshot: DockerSnapshot) -> None:
        super().__init__(snapshot, tools.save, tools.control)

    def _in_phase(self, phase: Phase, reason: str = "") -> DockerSnapshot:
        return replace(self.snapshot, phase=phase, reason=reason or self.snapshot.reason)

    def _is_final(self) -> bool:
        return self.snapshot.phase in _FINAL
