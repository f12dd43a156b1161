"""Starts, stops, restarts and reloads docker.service, and waits for a final state (systemd.service(5), systemctl(1)).

systemctl's exit code says nothing that counts: a restart may end with 0 after 200 s and a SIGKILL, and right after a
failed one the unit is "activating (auto-restart)". TimeoutStartSec=0 of the unit lets `systemctl start` wait without
limit, so every job is queued with --no-block and watched with a deadline.
"""

import time
from collections.abc import Callable, Sequence

from agent.core.model.docker import EngineUnit
from agent.core.model.engine_state import EngineState, UnitPhase
from agent.errors import HostError
from agent.host.process.run import run_program

SERVICE = "docker.service"
SOCKET_UNIT = "docker.socket"
_SYSTEMCTL = ("systemctl",)
_CALL_S = 15.0
"""For one call of systemctl, none of which waits for a unit."""
_POLL_S = 0.1
_PROPERTIES = "ActiveState,SubState,Result,MainPID,NRestarts,InvocationID,Job"
_VALIDATE_S = 30.0
_NO_VALIDATE = "unknown flag: --validate"
"""dockerd before 23.0."""
_MISREAD = "accepts no argument"
"""dockerd has options only: a word of the unit that contains a space was read as two (`agent.host.docker.unit`)."""


class EngineControl:
    """Control of the engine's unit. Every method raises HostError if systemctl fails or does not answer in time."""

    def __init__(
        self, *, systemctl: Sequence[str] = _SYSTEMCTL, alive: Callable[[], None] = lambda: None, unit: str = SERVICE
    ) -> None:
        """Take the words that run systemctl, and what is called while a method waits."""
        self._systemctl = tuple(systemctl)
        self._alive = alive
        self._unit = unit

    def state(self) -> EngineState:
        """Return the unit's state now."""
        shown = self._call("show", f"--property={_PROPERTIES}", self._unit)
        values = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        pid = values.get("MainPID", "0")
        return EngineState(
            active_state=values.get("ActiveState", "unknown"),
            sub_state=values.get("SubState", ""),
            result=values.get("Result", ""),
            main_pid=int(pid) if pid.isdigit() and pid != "0" else None,
            restarts=int(values.get("NRestarts", "0") or 0),
            invocation_id=values.get("InvocationID", ""),
            job=values.get("Job", "").removeprefix("0"),
        )

    def restart(self, *, limit_s: float) -> EngineState:
        """Restart the engine and return its final state, or the last one seen at the deadline.

        The start limits of service and socket are reset first: the fourth start within a minute would stop the engine
        and refuse to start it.
        """
        return self._job("restart", limit_s)

    def start(self, *, limit_s: float) -> EngineState:
        """Start the engine and return its final state, as `restart`."""
        return self._job("start", limit_s)

    def stop(self, *, limit_s: float, with_socket: bool = True) -> EngineState:
        """Stop the engine, and its socket, which would start it again; return its final state, as `restart`."""
        self._call("stop", "--no-block", *([SOCKET_UNIT] if with_socket else []), self._unit)
        return self.wait_for_final_state(limit_s=limit_s)

    def shutting_down(self) -> bool:
        """Return whether systemd shuts the machine down; False if it does not answer."""
        try:
            return self._call("show", "--property=SystemState").strip() == "SystemState=stopping"
        except HostError:
            return False

    def reload(self) -> None:
        """Have the running engine read daemon.json again: live-restore, among others, takes effect without a restart.

        A faulty file is only an entry in the journal: read the effect from the engine.
        """
        self._call("reload", self._unit)

    def reload_units(self) -> None:
        """Have systemd read the unit files again."""
        self._call("daemon-reload")

    def wait_for_final_state(self, *, limit_s: float) -> EngineState:
        """Return the unit's state once it is final, or the last one seen at the deadline."""
        return self._watch(limit_s, lambda state: state.phase is not UnitPhase.CHANGING)

    def restarts_during(self, *, seconds: float) -> int:
        """Watch a running engine; return how often systemd restarted it meanwhile, at least 1 if it did not stay up."""
        first = self.state()
        last = self._watch(seconds, lambda state: state.main_pid != first.main_pid)
        if last.phase is UnitPhase.RUNNING and last.main_pid == first.main_pid:
            return max(last.restarts - first.restarts, 0)
        return max(last.restarts - first.restarts, 1)

    def _job(self, verb: str, limit_s: float) -> EngineState:
        run_program((*self._systemctl, "reset-failed", self._unit, SOCKET_UNIT), limit_s=_CALL_S)  # no unit: fails
        self._call(verb, "--no-block", self._unit)
        return self.wait_for_final_state(limit_s=limit_s)

    def _watch(self, limit_s: float, enough: Callable[[EngineState], bool]) -> EngineState:
        deadline = time.monotonic() + limit_s
        while True:
            state = self.state()
            if enough(state) or time.monotonic() >= deadline:
                return state
            self._alive()
            time.sleep(_POLL_S)

    def _call(self, *arguments: str) -> str:
        done = run_program((*self._systemctl, *arguments), limit_s=_CALL_S)
        if done.code != 0:
            raise HostError(f"systemctl {' '.join(arguments)}: {done.output or f'exit code {done.code}'}")
        return done.output


def validate(unit: EngineUnit, *, prefix: Sequence[str] = ()) -> str | None:
    """Have the installed dockerd check its configuration, with all arguments of its unit; it starts nothing.

    Call it between the installation of a new engine and its start. Returns the engine's message, empty if it accepts
    the configuration, which is no promise that it starts; None: this dockerd cannot check (before 23.0), or not with
    these words.
    """
    if not unit.arguments:
        return None
    program, *options = unit.arguments
    done = run_program((*prefix, program, "--validate", *options), limit_s=_VALIDATE_S)
    if _NO_VALIDATE in done.output or _MISREAD in done.output:
        return None
    if done.code == 0:
        return ""
    return done.output.splitlines()[-1] if done.output else f"exit code {done.code}"
