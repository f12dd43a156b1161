"""What the steps of a change of Weave work with, and the record of how far it came."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.core.engine_ports import EngineObserver
from agent.core.job_control import JobControl
from agent.core.weave.ports import WeaveActs
from agent.core.weave.snapshot import WeavePhase, WeaveSnapshot
from agent.errors import HostError


@dataclass(frozen=True, slots=True, kw_only=True)
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


class WeaveCourse:
    """The snapshot of a change, with the phase that is on record."""

    def __init__(self, tools: WeaveTools, snapshot: WeaveSnapshot) -> None:
        self._tools = tools
        self.snapshot = snapshot

    def begin(self, phase: WeavePhase, message: str) -> None:
        """Record the first phase that changes anything.

        Raises:
            HostError: it cannot be recorded, so nothing may be changed.
        """
        begun = replace(self.snapshot, phase=phase)
        self._tools.save(begun)
        self.snapshot = begun
        self._tools.control.step(message)

    def enter(self, phase: WeavePhase, message: str) -> None:
        """Begin a phase; during a rollback that phase stays on record."""
        if self.snapshot.phase is not WeavePhase.ROLLING_BACK:
            self.record(phase)
        self._tools.control.step(message)

    def record(self, phase: WeavePhase, reason: str = "") -> None:
        """Record a phase, and why it is being rolled back.

        One that cannot be recorded is no reason to stop half way: a later run looks at the machine, too.
        """
        self.snapshot = replace(self.snapshot, phase=phase, reason=reason or self.snapshot.reason)
        with suppress(HostError):
            self._tools.save(self.snapshot)
