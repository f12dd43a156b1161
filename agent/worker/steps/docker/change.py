"""Changes Docker from the saved state of before: packages, restart, containers; rolls back by itself if that fails.

The order keeps the outage short: packages are installed while the engine runs on, the new engine checks its
configuration, containers that ignore the stop signal are stopped ahead, and only then the engine is restarted. Each
phase is recorded before it begins.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from agent.core.docker.restore import restoration, slow_first
from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.docker.verify import Fault, FaultCode, faults, package_faults
from agent.core.docker.versions import same_release, upstream
from agent.core.engine_ports import EngineObserver, EngineOperator, RuntimeArchives
from agent.core.job_control import JobControl
from agent.core.model.docker import EngineUnit, RunningEngine
from agent.core.model.engine_outcome import EngineResult, Rollback
from agent.core.model.engine_state import UnitPhase
from agent.errors import HostError
from agent.report.engine_faults import fault_sentences

_START_S = 300.0
"""For an engine with many containers to load them; beyond the time that stops take."""
_SETTLE_S = 10.0
"""How long the new engine is watched: a restart policy acts after 10 s, a flapping engine dies within some."""
_ATTEMPTS = 4
"""How often the containers are compared and brought back."""

Faults = tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a change works with."""

    observer: EngineObserver
    operator: EngineOperator
    archives: RuntimeArchives
    save: Callable[[DockerSnapshot], None]
    """Records the snapshot durably; raises HostError."""
    control: JobControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a change ended."""

    result: EngineResult
    faults: Faults = ()
    """What is wrong now."""
    rollback: Rollback | None = None


class EngineChange:
    """One change of Docker. `files` are the archives of the new packages by name, in `RuntimeArchives`."""

    def __init__(self, tools: Tools, snapshot: DockerSnapshot, unit: EngineUnit, files: Mapping[str, str]) -> None:
        self._tools = tools
        self._operator = tools.operator
        self._snapshot = snapshot
        self._unit = unit
        self._files = files
        self._excused: set[str] = set()
        self.started: set[str] = set()
        """Names of containers that were started."""
        self.stopped: set[str] = set()
        """Names of containers that the engine had started and that were stopped again."""
        self.errors: dict[str, str] = {}
        """Why a container could not be started, stopped or paused, by name."""

    def carry_out(self) -> Ended:
        """Install, restart, restore, verify; roll back if that fails and may help."""
        found = self._install() if self._snapshot.changes else ()
        if not found:
            found = self._bring_up(self._snapshot.target_version)
        if not any(fault.rolls_back for fault in found):
            result = EngineResult.UPGRADED if self._snapshot.changes else EngineResult.RESTARTED
            return Ended(result=result, faults=found)
        if not self._snapshot.changes:
            return self._needs_attention(found, None)
        return self._roll_back(found)

    def resume(self) -> Ended:
        """Finish what a run that was interrupted had begun: go on if the new packages are there, else roll back."""
        if not self._snapshot.changes or not self._package_faults():
            return self.carry_out()
        return self._roll_back(self._package_faults())

    def _install(self) -> Faults:
        self._enter(Phase.PACKAGES, "installing the packages; the engine runs on")
        changes = self._snapshot.changes
        files = [self._files[one.package] for one in changes if one.after is not None]
        error = self._tools.archives.install(files, [one.package for one in changes if one.after is None])
        if found := self._package_faults():
            return (*found, *([Fault(code=FaultCode.DPKG, values=(error,))] if error else []))
        problem = self._operator.validate(self._unit) if self._snapshot.unit_active else ""
        return (Fault(code=FaultCode.CONFIG, values=(problem,)),) if problem else ()

    def _package_faults(self) -> Faults:
        return package_faults(self._snapshot.changes, self._tools.archives.states())

    def _bring_up(self, target: str | None) -> Faults:
        """Have the engine run in a version, with the containers of before; return what is wrong then."""
        if not self._snapshot.unit_active:
            return self._keep_stopped()
        if not self._runs(target):
            self._restart()
        self._enter(Phase.RESTORING, "bringing the containers back")
        self._restore()
        restarts = self._operator.restarts_during(seconds=_SETTLE_S)
        if not restarts:
            self._restore()  # some that came back may have ended meanwhile
        after = self._tools.observer.docker()
        return faults(self._snapshot, after, target=target, restarts=restarts, excused=self._excused)

    def _keep_stopped(self) -> Faults:
        """Stop an engine that a maintainer script started although it had been stopped."""
        if faults(self._snapshot, self._tools.observer.docker(), target=None):
            self._operator.stop(limit_s=self._limit_s())
        return faults(self._snapshot, self._tools.observer.docker(), target=None)

    def _runs(self, target: str | None) -> bool:
        """Whether the engine runs the wanted version already: Docker CE's packages restart it themselves."""
        engine = self._tools.observer.docker().engine
        if not isinstance(engine, RunningEngine) or target is None or engine.executable_replaced is not False:
            return False
        return same_release(engine.version, target)

    def _restart(self) -> None:
        self._enter(Phase.RESTARTING, "restarting the engine")
        before = self._snapshot.containers or ()
        slow = () if self._snapshot.live_restore else slow_first(before)
        if slow and self._engine_answers():
            self._tools.control.step(f"stopping {len(slow)} slow containers first")
            self.errors |= self._operator.stop_containers(slow)
        state = self._operator.restart(limit_s=self._limit_s())
        if state.phase is not UnitPhase.RUNNING:
            self._tools.control.step(f"the engine is {state}")

    def _engine_answers(self) -> bool:
        return isinstance(self._tools.observer.docker().engine, RunningEngine)

    def _limit_s(self) -> float:
        slowest = max((one.stop_timeout_s for one in self._snapshot.containers or () if one.running), default=0)
        return (self._unit.stop_timeout_s or 0.0) + 2 * slowest + _START_S

    def _restore(self) -> None:
        """Bring the containers back to their state of before, as far as they can be."""
        tried: dict[str, int] = {}
        for _ in range(_ATTEMPTS):
            after = self._tools.observer.docker().containers
            if not isinstance(after, tuple):
                return
            left = restoration(self._snapshot.containers or (), after, self._snapshot.announced)
            self._excused |= {one.name for one in left.start if one.name in self.started and one.exit_code == 0}
            start = [one for one in left.start if one.name not in self._excused]
            if not (start or left.stop or left.pause or left.settling):
                return
            tried |= {one.name: tried.get(one.name, 0) + 1 for one in start}
            failed = self._operator.start_containers(start)
            failed |= self._operator.stop_containers(left.stop)
            runs = [one for one in left.pause if one.name not in failed]
            failed |= self._operator.pause_containers(runs)
            self.started |= {one.name for one in start} - set(failed)
            self.stopped |= {one.name for one in left.stop} - set(failed)
            self.errors = {name: error for name, error in self.errors.items() if name not in tried} | failed
            if left.settling and not start:
                self._operator.restarts_during(seconds=1)

    def _roll_back(self, found: Faults) -> Ended:
        """Return to the packages of before, verified; forward again if the older engine does not start."""
        reason = fault_sentences(found)
        self._tools.control.step(f"rolling back: {reason}")
        disturbed = self._is_disturbed()
        try:
            back = self._install_before()
            back = back or (self._bring_up(self._version_before()) if disturbed else self._undisturbed())
        except HostError as error:
            back = (Fault(code=FaultCode.DPKG, values=(str(error),)),)
        if not any(fault.rolls_back for fault in back):
            return Ended(result=EngineResult.ROLLED_BACK, faults=back, rollback=Rollback(done=True, reason=reason))
        failed = Rollback(done=False, reason=f"{reason}; the rollback failed: {fault_sentences(back)}")
        if any(fault.code in _DEAD for fault in back):
            back = self._forward_again()
        return self._needs_attention(back, failed)

    def _install_before(self) -> Faults:
        self._enter(Phase.ROLLING_BACK, "installing the packages of before")
        back = [replace(one, before=one.after, after=one.before) for one in self._snapshot.changes]
        saved = {one.package: one.file for one in self._snapshot.packages}
        missing = [one.package for one in back if one.after is not None and not saved.get(one.package)]
        if missing:
            return (Fault(code=FaultCode.PACKAGES, values=tuple(missing)),)
        files = [saved[one.package] for one in back if one.after is not None]
        self._tools.archives.install(files, [one.package for one in back if one.after is None])
        return package_faults(back, self._tools.archives.states())

    def _forward_again(self) -> Faults:
        self._tools.control.step("the older engine does not start: installing the newer one again")
        try:
            return self._install() or self._bring_up(self._snapshot.target_version)
        except HostError as error:
            return (Fault(code=FaultCode.DPKG, values=(str(error),)),)

    def _version_before(self) -> str | None:
        return upstream(self._snapshot.engine_version) if self._snapshot.engine_version else None

    def _is_disturbed(self) -> bool:
        """Whether the engine is another process than before, or none."""
        unit = self._tools.observer.docker().unit
        return not isinstance(unit, EngineUnit) or unit.main_pid != self._unit.main_pid

    def _undisturbed(self) -> Faults:
        """Return what is wrong with an engine that was never restarted: its replaced file is none of it."""
        found = faults(self._snapshot, self._tools.observer.docker(), target=self._version_before())
        return tuple(fault for fault in found if fault.code is not FaultCode.OLD_EXECUTABLE)

    def _needs_attention(self, found: Faults, rollback: Rollback | None) -> Ended:
        self._enter(Phase.FAILED, "failed; the saved packages and the snapshot are kept")
        return Ended(result=EngineResult.FAILED_NEEDS_ATTENTION, faults=found, rollback=rollback)

    def _enter(self, phase: Phase, message: str) -> None:
        self._snapshot = replace(self._snapshot, phase=phase)
        self._tools.save(self._snapshot)
        self._tools.control.step(message)


_DEAD = frozenset({FaultCode.ENGINE_DOWN, FaultCode.ENGINE_SILENT, FaultCode.UNSTABLE})
"""The engine does not run, so that the newer one may be better."""
