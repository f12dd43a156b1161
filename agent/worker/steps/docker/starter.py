"""Has the engine run in a version, with the containers of before, and says what is wrong then."""

from contextlib import suppress

from agent.core.docker.snapshot import Phase
from agent.core.docker.verify import Fault, FaultCode, Faults, faults
from agent.core.docker.versions import same_release
from agent.core.model.docker import NO_STOP_LIMIT_S, EngineUnit, RunningEngine, SwarmState
from agent.core.model.engine_state import UnitPhase
from agent.errors import HostError
from agent.report.text import counted
from agent.worker.steps.docker.attachments import AttachmentKeeper
from agent.worker.steps.docker.containers import ContainerKeeper, patient_look
from agent.worker.steps.docker.tools import Course, Tools

_START_S = 300.0
"""For an engine with many containers to load them; beyond the time that stops take."""
_SETTLE_S = 10.0
"""How long the new engine is watched: a restart policy acts after 10 s, a flapping engine dies within some."""


class EngineStarter:
    """Starts and restarts the engine of one change."""

    def __init__(self, tools: Tools, course: Course, unit: EngineUnit) -> None:
        self._tools = tools
        self._operator = tools.operator
        self._course = course
        self._before = course.snapshot
        self._unit = unit
        self.containers = ContainerKeeper(tools.observer, tools.operator, course.snapshot)
        self.attachments = AttachmentKeeper(tools.observer, tools.operator, tools.run_weave, course.snapshot)

    def bring_up(self, target: str | None, *, any_version: bool = False) -> Faults:
        """Have the engine run in a version, or any that is running, with the containers of before."""
        try:
            if not self._before.unit_active:
                return self._keep_stopped()
            self._operator.settle(limit_s=self._limit_s())
            if not self._runs(target, any_version=any_version):
                self._restart()
            self._course.enter(Phase.RESTORING, "bringing the containers back")
            return self._restore(target)
        except HostError as error:
            with suppress(HostError):  # the slow ones may be stopped while the engine runs on
                self.containers.restore()
            return (Fault(code=FaultCode.ENGINE_DOWN, values=(str(error),)),)

    def keep_containers(self) -> Faults:
        """Switch live-restore on where the change asks for it, so that the restart stops no container."""
        docker = self._tools.observer.docker()
        engine = docker.engine
        if not self._before.switch_live_restore or not isinstance(engine, RunningEngine) or docker.keeps_containers:
            return ()
        if engine.swarm is not SwarmState.INACTIVE:
            return (Fault(code=FaultCode.LIVE_RESTORE, values=("a swarm excludes it",)),)
        self._tools.control.step("switching live-restore on")
        try:
            problem = self._operator.live_restore_on(self._unit)
        except HostError as error:
            problem = str(error)
        return (Fault(code=FaultCode.LIVE_RESTORE, values=(problem,)),) if problem else ()

    def config_as_before(self, *, later: bool) -> Faults:
        """Put daemon.json back; with `later` not while no engine runs, whose start would stop what still runs."""
        if not self._before.switch_live_restore:
            return ()
        if later and not self._runs(None, any_version=True):
            return (Fault(code=FaultCode.CONFIG_KEPT, values=("it keeps live-restore until an engine runs",)),)
        try:
            problem = self._operator.live_restore_as_before(self._unit)
        except HostError as error:
            problem = str(error)
        return (Fault(code=FaultCode.CONFIG_KEPT, values=(problem,)),) if problem else ()

    def is_disturbed(self) -> bool:
        """Whether the engine is another process than before, or none; unknown counts as yes."""
        unit = self._tools.observer.docker().unit
        same_boot = self._before.boot_id == self._tools.boot_id
        return not same_boot or not isinstance(unit, EngineUnit) or unit.main_pid != self._before.main_pid

    def stop_slow(self, message: str) -> None:
        """Begin a restart: stop the containers for which the others would wait, unless all run on."""
        self._course.enter(Phase.RESTARTING, message)
        docker, slow = self._tools.observer.docker(), self.containers.slow
        if slow and isinstance(docker.engine, RunningEngine) and not docker.keeps_containers:
            self._tools.control.step(f"stopping {counted(slow, 'slow container')} first")
            self.containers.stop_slow()

    def undisturbed(self, target: str | None) -> Faults:
        """Return what is wrong with an engine that was never restarted: its replaced file is none of it.

        Containers that were stopped ahead of a restart are started first.
        """
        self.containers.restore()
        found = faults(self._before, patient_look(self._tools.observer, self._operator), target=target)
        return tuple(fault for fault in found if fault.code is not FaultCode.OLD_EXECUTABLE)

    def _restore(self, target: str | None) -> Faults:
        self._bring_back()
        restarts = self._operator.restarts_during(seconds=_SETTLE_S)
        if not restarts:
            self._bring_back()  # some that came back may have ended meanwhile
        after = patient_look(self._tools.observer, self._operator)
        return faults(self._before, after, target=target, restarts=restarts, excused=self.containers.excused)

    def _bring_back(self) -> None:
        self.containers.restore()
        self.attachments.restore()

    def _keep_stopped(self) -> Faults:
        """Stop an engine that a maintainer script started although it had been stopped."""
        if faults(self._before, self._tools.observer.docker(), target=None):
            self._operator.stop(limit_s=self._limit_s(), with_socket=not self._before.socket_active)
        return faults(self._before, self._tools.observer.docker(), target=None)

    def _runs(self, target: str | None, *, any_version: bool) -> bool:
        """Whether the engine runs the wanted version already: Docker CE's packages restart it themselves."""
        engine = self._tools.observer.docker().engine
        if not isinstance(engine, RunningEngine):
            return False
        if any_version:
            return True
        return target is not None and engine.executable_replaced is False and same_release(engine.version, target)

    def _restart(self) -> None:
        self.stop_slow("restarting the engine")
        state = self._operator.restart(limit_s=self._limit_s())
        if state.phase is not UnitPhase.RUNNING:
            self._tools.control.step(f"the engine is {state}")

    def _limit_s(self) -> float:
        running = [one.stop_timeout_s for one in self._before.containers or () if one.running]
        slowest = max((limit for limit in running if limit < NO_STOP_LIMIT_S), default=0)
        return (self._unit.stop_timeout_s or 0.0) + 2 * slowest + _START_S
