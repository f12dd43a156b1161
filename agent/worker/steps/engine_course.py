"""The snapshot of a change of an engine, and the record of how far the change came."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from agent.core.job_control import JobControl
from agent.errors import HostError

_Snapshot = TypeVar("_Snapshot")
_Phase = TypeVar("_Phase")


class EngineCourse(ABC, Generic[_Snapshot, _Phase]):
    """The snapshot of a change, with the phase that is on record."""

    def __init__(self, snapshot: _Snapshot, save: Callable[[_Snapshot], None], control: JobControl) -> None:
        self.snapshot = snapshot
        self._save = save
        self._control = control

    @abstractmethod
    def _in_phase(self, phase: _Phase, reason: str = "") -> _Snapshot:
        """Return the snapshot in another phase; an empty reason leaves the one that it has."""

    @abstractmethod
    def _is_final(self) -> bool:
        """Return whether the phase stays on record to the end of the change."""

    def begin(self, phase: _Phase, message: str) -> None:
        """Record the first phase that changes anything.

        Raises:
            HostError: it cannot be recorded, so nothing may be changed.
        """
        begun = self._in_phase(phase)
        self._save(begun)
        self.snapshot = begun
        self._control.step(message)

    def enter(self, phase: _Phase, message: str) -> None:
        """Begin a phase; during a rollback that phase stays on record."""
        if not self._is_final():
            self.record(phase)
        self._control.step(message)

    def record(self, phase: _Phase, reason: str = "") -> None:
        """Record a phase, and why it is being rolled back.

        One that cannot be recorded is no reason to stop half way: a later run looks at the machine, too.
        """
        self.snapshot = self._in_phase(phase, reason)
        with suppress(HostError):
            self._save(self.snapshot)
