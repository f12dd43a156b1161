"""The state of docker.service at one moment, and whether it is final. Pure."""

from enum import Enum

from agent.core.frozen import frozen


class UnitPhase(Enum):
    """Whether systemd's state of a unit is final."""

    RUNNING = "running"
    CHANGING = "changing"
    """Look again: it starts, stops, or waits for its next automatic restart."""
    STOPPED = "stopped"
    FAILED = "failed"


_FINAL = {"active": UnitPhase.RUNNING, "inactive": UnitPhase.STOPPED, "failed": UnitPhase.FAILED}


@frozen
class EngineState:
    """docker.service at one moment."""

    active_state: str
    sub_state: str
    result: str
    """systemd's Result: "success", "exit-code", "start-limit-hit"."""
    main_pid: int | None
    restarts: int
    """NRestarts: restarts by systemd itself since the last start by request."""
    invocation_id: str
    job: str
    """Number of the queued job; empty if there is none."""

    @property
    def phase(self) -> UnitPhase:
        """Whether the state is final: no job is queued, and systemd does not wait for an automatic restart."""
        return UnitPhase.CHANGING if self.job else unit_phase(self.active_state, self.sub_state)

    def __str__(self) -> str:
        """Return the state for a person: "failed (start-limit-hit)"."""
        return f"{self.active_state} ({self.result if self.result != 'success' else self.sub_state})"


def unit_phase(active_state: str, sub_state: str = "") -> UnitPhase:
    """Return whether the unit's state is final; between automatic restarts it is not, whatever ActiveState says."""
    if sub_state.startswith("auto-restart"):  # ActiveState is "activating"; systemd 254 has further sub-states
        return UnitPhase.CHANGING
    return _FINAL.get(active_state, UnitPhase.CHANGING)
