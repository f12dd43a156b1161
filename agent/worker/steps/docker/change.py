"""Changes Docker from the saved state of before: packages, restart, containers; rolls back by itself if that fails.

The order keeps the outage short: the new engine checks its configuration, packages are installed while the engine runs
on, containers that ignore the stop signal are stopped ahead, and only then the engine is restarted. Each phase is
recorded before it begins, so that a later run can finish or roll back one that was interrupted.
"""

from contextlib import suppress

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.docker.verify import Fault, FaultCode, Faults, InstallationState, installation_state, package_faults
from agent.core.frozen import frozen, replace
from agent.core.model.docker import EngineUnit
from agent.core.model.engine_outcome import EngineResult, Rollback
from agent.core.model.engine_plan import PackageChange
from agent.errors import BusyError, HostError, NoSpaceError, StoppedError
from agent.report.engine_faults import fault_sentences
from agent.worker.steps.docker.installer import Installer
from agent.worker.steps.docker.starter import EngineStarter
from agent.worker.steps.docker.tools import Course, Tools


@frozen
class Ended:
    """How a change ended."""

    result: EngineResult
    faults: Faults = ()
    """What is wrong now."""
    rollback: Rollback | None = None
    unfinished: bool = False
    """Whether a later run has to go on: no dpkg lock or no space could be had, or the machine is being shut down."""
    foreign: bool = False
    """Whether somebody else has changed the packages since, which are left alone."""

    @property
    def keeps_snapshot(self) -> bool:
        """Whether the snapshot and the kept archives are still needed."""
        return self.unfinished or self.result is EngineResult.FAILED_NEEDS_ATTENTION


class EngineChange:
    """One change of Docker. `unit` is docker.service at the moment."""

    def __init__(self, tools: Tools, snapshot: DockerSnapshot, unit: EngineUnit) -> None:
        self._tools = tools
        self._course = Course(tools, snapshot)
        self._before = snapshot
        self._changes = snapshot.changes
        self._starter = EngineStarter(tools, self._course, unit)
        self._installer = Installer(tools, self._course, self._starter, unit)
        self.containers = self._starter.containers
        """What was done to the containers."""
        self.attachments = self._starter.attachments
        """What was done to their addresses on Weave's network."""

    def carry_out(self) -> Ended:
        """Install, restart, restore, verify; roll back if that fails and may help.

        Raises:
            BusyError: another program holds dpkg's lock. HostError: the snapshot cannot be recorded. Nothing was
                changed.
        """
        if not self._changes:
            self._course.begin(Phase.RESTARTING, "no package changes")
            return self._closed(self._go_on(()))
        self._course.begin(Phase.PACKAGES, "installing the packages; the engine runs on")
        if found := self._starter.keep_containers():  # ahead of packages that restart the engine themselves
            return self._closed(Ended(result=EngineResult.BLOCKED, faults=found))
        try:
            found = self._installer.validate_ahead() or self._install()
        except BusyError:
            self._starter.config_as_before(later=False)
            self._course.record(Phase.PREPARED)
            raise
        except StoppedError:  # while it waited for dpkg's lock
            return self._closed(Ended(result=EngineResult.INTERRUPTED))
        return self._closed(self._go_on(found))

    def resume(self) -> Ended:
        """Finish or roll back a run that was interrupted. One that failed and needs a person is left alone.

        Raises:
            BusyError: dpkg runs. The snapshot is still needed.
        """
        saved = self._course.snapshot
        if saved.phase is Phase.FAILED:
            return Ended(result=EngineResult.FAILED_NEEDS_ATTENTION)
        if saved.phase is Phase.PREPARED:
            return Ended(result=EngineResult.INTERRUPTED)
        self._finish_packages()
        if saved.phase is Phase.ROLLING_BACK:
            return self._closed(self._roll_back(()))
        if saved.phase is Phase.FORWARD_AGAIN:
            failed = Rollback(done=False, reason=saved.reason)
            return self._closed(self._needs_attention(self._forward_again(), failed))
        return self._closed(self._resume_at(self._progress()))

    def _finish_packages(self) -> None:
        """Have dpkg finish first; not after it had, so that an engine that is down need not wait for dpkg's lock.

        Raises:
            BusyError: dpkg runs.
        """
        beyond = self._course.snapshot.phase in {Phase.RESTARTING, Phase.RESTORING}
        if beyond and self._progress() is InstallationState.AS_PLANNED:
            return
        with suppress(HostError):  # the packages are judged by dpkg's database
            self._tools.archives.finish()

    def _closed(self, ended: Ended) -> Ended:
        """Put back what the change had to alter beside the engine: holds, and daemon.json."""
        if ended.unfinished:
            return ended
        left = (*self._holds_as_before(), *self._starter.config_as_before(later=ended.keeps_snapshot))
        return replace(ended, faults=(*ended.faults, *left))

    def _holds_as_before(self) -> Faults:
        """Put the packages on hold again that were: dpkg forgets it where it installs one."""
        held = [one.package for one in self._course.snapshot.packages if one.on_hold]
        if not held or not self._changes:
            return ()
        try:
            lost = tuple(self._tools.archives.hold(held))
        except (BusyError, HostError):
            lost = tuple(held)
        return (Fault(code=FaultCode.HOLD, values=lost),) if lost else ()

    def _resume_at(self, progress: InstallationState) -> Ended:
        if progress is InstallationState.AS_PLANNED:
            return self._go_on(())
        if progress is InstallationState.UNFINISHED:
            return self._roll_back(self._package_faults(self._changes))
        return self._left_as_it_is(progress)

    def _go_on(self, found: Faults) -> Ended:
        """Continue after the installation, given what is wrong with it."""
        if not found and (found := self._starter.keep_containers()) and not self._changes:
            return self._not_restarted(EngineResult.BLOCKED, found)
        if not found and self._changes:
            found = self._installer.validate()
        if not found and (reason := self._tools.control.stop()) and not self._starter.is_disturbed():
            return self._stopped(reason)
        if not found:
            found = self._starter.bring_up(self._course.snapshot.target_version)
        if self._changes and any(fault.rolls_back for fault in found):
            return self._roll_back(found)
        if any(fault.of_engine for fault in found):
            return self._needs_attention(found, None)
        return Ended(result=EngineResult.UPGRADED if self._changes else EngineResult.RESTARTED, faults=found)

    def _stopped(self, reason: str) -> Ended:
        """End before the engine is restarted, the last moment at which nothing is lost by it."""
        if not self._changes:
            return self._not_restarted(EngineResult.INTERRUPTED)
        ended = self._roll_back((), reason=f"stopped {reason}")
        back = ended.result is EngineResult.ROLLED_BACK
        return replace(ended, result=EngineResult.INTERRUPTED) if back else ended

    def _not_restarted(self, result: EngineResult, found: Faults = ()) -> Ended:
        """End a run without package changes ahead of its restart."""
        if self._before.phase is not Phase.PREPARED:  # the job before may have stopped slow containers ahead
            self._starter.containers.restore()
        return Ended(result=result, faults=found)

    def _left_as_it_is(self, progress: InstallationState) -> Ended:
        """End an interrupted run whose packages are those of before, or somebody else's: only restore containers."""
        as_before = progress is InstallationState.AS_BEFORE
        if as_before and not self._starter.is_disturbed():
            if self._course.snapshot.phase is not Phase.PACKAGES:  # slow containers may have been stopped ahead
                self._starter.containers.restore()
            return Ended(result=EngineResult.INTERRUPTED)
        found = self._starter.bring_up(self._before.installed_before if as_before else None, any_version=not as_before)
        if as_before and any(fault.of_engine for fault in found):
            return self._needs_attention(found, None)
        return Ended(result=EngineResult.INTERRUPTED, faults=found, foreign=not as_before)

    def _progress(self) -> InstallationState:
        return installation_state(self._changes, self._tools.archives.states())

    def _package_faults(self, changes: tuple[PackageChange, ...]) -> Faults:
        return package_faults(changes, self._tools.archives.states())

    def _install(self) -> Faults:
        files = {one.package: one.file for one in self._course.snapshot.archives}
        return self._installer.run(self._changes, files, forward=True)

    def _install_before(self) -> Faults:
        back = tuple(replace(one, before=one.after, after=one.before) for one in self._changes)
        try:  # they were kept, perhaps long ago: damaged ones are fetched again
            files = self._tools.archives.keep({one.package: one.after for one in back if one.after is not None})
        except HostError as error:
            return (Fault(code=FaultCode.DPKG, values=(str(error),)),)
        return self._installer.run(back, files, forward=False)

    def _roll_back(self, found: Faults, *, reason: str = "") -> Ended:
        """Return to the packages of before, verified; forward again if the older engine does not start."""
        reason = self._course.snapshot.reason or reason or fault_sentences(found)
        if self._tools.operator.shutting_down() and self._starter.is_disturbed():
            return self._shut_down(found)
        self._course.record(Phase.ROLLING_BACK, reason)
        self._tools.control.step(f"rolling back: {reason}")
        try:
            back = self._bring_back()
        except (BusyError, NoSpaceError, StoppedError) as error:
            self._starter.containers.restore()
            waits = Rollback(done=False, reason=f"{reason}; the rollback waits: {error}")
            return Ended(result=EngineResult.INTERRUPTED, faults=found, rollback=waits, unfinished=True)
        if not any(fault.of_engine for fault in back):
            return Ended(result=EngineResult.ROLLED_BACK, faults=back, rollback=Rollback(done=True, reason=reason))
        if self._tools.operator.shutting_down():
            return self._shut_down(back)
        reason = f"{reason}; the rollback failed: {fault_sentences(back)}"
        if any(fault.code in _DEAD for fault in back):
            self._course.record(Phase.FORWARD_AGAIN, reason)
            back = self._forward_again()
        return self._needs_attention(back, Rollback(done=False, reason=reason))

    def _bring_back(self) -> Faults:
        """Have packages, engine and containers be as before.

        Raises:
            BusyError, NoSpaceError, StoppedError: the packages are not as before, and may be in a later run.
        """
        if self._progress() is not InstallationState.AS_BEFORE and (found := self._install_before()):
            if self._starter.is_disturbed():  # whatever runs: the containers of before belong on it
                found = (*found, *self._starter.bring_up(None, any_version=True))
            else:
                self._starter.containers.restore()
            self._tools.archives.require_room()
            return found
        if self._starter.is_disturbed():  # also by Docker CE's packages, which restart the engine themselves
            return self._starter.bring_up(self._before.installed_before)
        return self._starter.undisturbed(self._before.running_before)

    def _forward_again(self) -> Faults:
        self._tools.control.step("the older engine does not start: installing the newer one again")
        try:
            return self._install() or self._starter.bring_up(self._course.snapshot.target_version)
        except (BusyError, StoppedError) as error:
            return (Fault(code=FaultCode.DPKG, values=(str(error),)),)

    def _needs_attention(self, found: Faults, rollback: Rollback | None) -> Ended:
        if self._tools.operator.shutting_down():
            return self._shut_down(found)
        self._course.record(Phase.FAILED)
        self._tools.control.step("failed; the saved packages and the snapshot are kept")
        return Ended(result=EngineResult.FAILED_NEEDS_ATTENTION, faults=found, rollback=rollback)

    def _shut_down(self, found: Faults) -> Ended:
        """End with the phase that is on record, to be resumed: a shutdown stops the engine, which proves nothing."""
        self._tools.control.step("the machine is being shut down: the next run goes on")
        return Ended(result=EngineResult.INTERRUPTED, faults=found, unfinished=True)


_DEAD = frozenset({FaultCode.ENGINE_DOWN, FaultCode.ENGINE_SILENT, FaultCode.UNSTABLE})
"""The engine does not run, so that the newer one may be better."""
