"""What the steps of a change of Docker work with, and the record of how far it came."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.engine_ports import EngineObserver, EngineOperator, RuntimeArchives
from agent.core.job_control import JobControl
from agent.errors import HostError
from agent.worker.steps.docker.attachments import RunScript

_FINAL = frozenset({Phase.ROLLING_BACK, Phase.FORWARD_AGAIN})
"""Phases that stay on record while the engine is restarted: a run that is interrupted in one goes on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
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


class Course:
    """The snapshot of a change, with the phase that is on record."""

    def __init__(self, tools: Tools, snapshot: DockerSnapshot) -> None:
        self._tools = tools
        self.snapshot = snapshot

    def begin(self, phase: Phase, message: str) -> None:
        """Record the first phase that changes anything.

        Raises:
            HostError: it cannot be recorded, so nothing may be changed.
        """
        begun = replace(self.snapshot, phase=phase)
        self._tools.save(begun)
        self.snapshot = begun
        self._tools.control.step(message)

    def enter(self, phase: Phase, message: str) -> None:
        """Begin a phase; during a rollback that phase stays on record."""
        if self.snapshot.phase not in _FINAL:
            self.record(phase)
        self._tools.control.step(message)

    def record(self, phase: Phase, reason: str = "") -> None:
        """Record a phase, and why it is being rolled back.

        One that cannot be recorded is no reason to stop half way: a later run looks at the machine, too.
        """
        self.snapshot = replace(self.snapshot, phase=phase, reason=reason or self.snapshot.reason)
        with suppress(HostError):
            self._tools.save(self.snapshot)
