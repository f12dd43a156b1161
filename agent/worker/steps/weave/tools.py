"""What the steps of a change of Weave work with, and the record of how far it came."""

import time
from collections.abc import Callable

from agent.core.engine_ports import EngineObserver
from agent.core.frozen import frozen, replace
from agent.core.job_control import JobControl
from agent.core.weave.ports import WeaveActs
from agent.core.weave.snapshot import WeavePhase, WeaveSnapshot
from agent.worker.steps.engine_course import EngineCourse


@frozen
class WeaveTools:
    """What a change works with."""

    observer: EngineObserver
    acts: WeaveActs
    save: Callable[[WeaveSnapshot], None]
    """Records the snapshot durably; raises HostError."""
    control: JobControl
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    """Seconds."""


class WeaveCourse(EngineCourse[WeaveSnapshot, WeavePhase]):
    """The snapshot of a change, with the phase that is on record."""

    def __init__(self, tools: WeaveTools, snapshot: WeaveSnapshot) -> None:
        super().__init__(snapshot, tools.save, tools.control)

    def _in_phase(self, phase: WeavePhase, reason: str = "") -> WeaveSnapshot:
        return replace(self.snapshot, phase=phase, reason=reason or self.snapshot.reason)

    def _is_final(self) -> bool:
        return self.snapshot.phase is WeavePhase.ROLLING_BACK
