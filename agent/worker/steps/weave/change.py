"""Changes Weave from the saved state of before: stop, script, launch, connections; rolls back if that fails.

The new script and its images are there before anything stops. Traffic within the machine goes on while the router is
down. Each phase is recorded before it begins, so that a later run can finish or roll back one that was interrupted.
"""

from agent.core.frozen import frozen, replace
from agent.core.model.engine_outcome import EngineResult, Rollback
from agent.core.weave.snapshot import WeavePhase, WeaveSnapshot
from agent.core.weave.verify import ExpectedWeave, RouterFault, RouterFaultCode
from agent.errors import HostError
from agent.report.router_faults import router_fault_sentences
from agent.worker.steps.weave.router import RouterChange, RouterFaults
from agent.worker.steps.weave.tools import WeaveCourse, WeaveTools


@frozen
class WeaveEnded:
    """How a change ended."""

    result: EngineResult
    faults: RouterFaults = ()
    """What is wrong now."""
    rollback: Rollback | None = None

    @property
    def keeps_snapshot(self) -> bool:
        """Whether the snapshot, the script of before and the password are still needed."""
        return self.result is EngineResult.FAILED_NEEDS_ATTENTION


_LOGGED = frozenset({RouterFaultCode.ROUTER_DOWN, RouterFaultCode.ROUTER_SILENT, RouterFaultCode.NOT_READY})
"""Faults whose cause is in the router's log."""


class WeaveChange:
    """One change of Weave."""

    def __init__(self, tools: WeaveTools, snapshot: WeaveSnapshot) -> None:
        self._tools = tools
        self._files = tools.acts.files
        self._course = WeaveCourse(tools, snapshot)
        self._saved = snapshot
        self.router = RouterChange(tools, self._course)
        """What was done to the router and its containers."""

    def carry_out(self) -> WeaveEnded:
        """Stop, replace, launch, restore, verify; roll back if that fails and may help.

        Raises:
            HostError: the snapshot cannot be recorded; nothing was changed.
        """
        self._course.begin(WeavePhase.STOPPING, "stopping the router")
        self.router.start_fallen()
        found = self.router.stop() or self._replace()
        return self._go_on(found)

    def resume(self) -> WeaveEnded:
        """Finish or roll back a run that was interrupted. One that failed and needs a person is left alone."""
        phase = self._saved.phase
        if phase is WeavePhase.FAILED:
            return WeaveEnded(result=EngineResult.FAILED_NEEDS_ATTENTION)
        if phase is WeavePhase.PREPARED:
            return WeaveEnded(result=EngineResult.INTERRUPTED)
        if phase is WeavePhase.ROLLING_BACK:
            return self._roll_back(())
        installed = self.router.script_sha256()
        if phase is not WeavePhase.STOPPING and installed == (self._saved.target_sha256 or self._saved.script.sha256):
            return self._go_on(())
        if installed != self._saved.script.sha256:
            return self._needs_attention((RouterFault(code=RouterFaultCode.SCRIPT),), None)
        ended = self._roll_back((), reason="interrupted")
        back = ended.result is EngineResult.ROLLED_BACK
        return replace(ended, result=EngineResult.INTERRUPTED) if back else ended

    def _go_on(self, found: RouterFaults) -> WeaveEnded:
        """Continue with the new script, given what went wrong so far."""
        target = ExpectedWeave(version=self._saved.target, script_sha256=self._saved.target_sha256)
        found = found or self.router.bring_up(target, lambda fault: fault.rolls_back)
        if any(fault.rolls_back for fault in found):
            return self._roll_back(found)
        result = EngineResult.UPGRADED if self._saved.target_sha256 else EngineResult.RESTARTED
        return WeaveEnded(result=result, faults=found)

    def _replace(self) -> RouterFaults:
        """Put the new script in place of the old one."""
        if not self._saved.target_sha256:
            return ()
        self._course.enter(WeavePhase.REPLACING, "replacing the script")
        try:
            self._files.install(self._saved.script, self._saved.target_sha256)
        except HostError as error:
            return (RouterFault(code=RouterFaultCode.STEP, values=(str(error),)),)
        return ()

    def _roll_back(self, found: RouterFaults, *, reason: str = "") -> WeaveEnded:
        """Return to the script and the version of before, verified."""
        known = self._course.snapshot.reason
        reason = known or reason or router_fault_sentences(found)
        if not known and any(fault.code in _LOGGED for fault in found) and (log := self.router.log_end()):
            reason = f"{reason}; its log ends: {log}"
        if errors := "; ".join(f"{name}: {error}" for name, error in sorted(self.router.errors.items())):
            reason = f"{reason} ({errors})"
        self._course.record(WeavePhase.ROLLING_BACK, reason)
        self._tools.control.step(f"rolling back: {reason}")
        back = self._bring_back()
        if not any(fault.after_rollback for fault in back):
            return WeaveEnded(result=EngineResult.ROLLED_BACK, faults=back, rollback=Rollback(done=True, reason=reason))
        reason = f"{reason}; the rollback failed: {router_fault_sentences(back)}"
        return self._needs_attention(back, Rollback(done=False, reason=reason))

    def _bring_back(self) -> RouterFaults:
        saved = self._saved
        if self.router.script_sha256() != saved.script.sha256:
            if found := self.router.stop():
                return found
            try:
                self._files.restore(saved.script)
            except HostError as error:
                return (RouterFault(code=RouterFaultCode.STEP, values=(str(error),)),)
        before = ExpectedWeave(version=saved.before, script_sha256=saved.script.sha256)
        return self.router.bring_up(before, lambda fault: fault.after_rollback)

    def _needs_attention(self, found: RouterFaults, rollback: Rollback | None) -> WeaveEnded:
        self._course.record(WeavePhase.FAILED)
        self._tools.control.step("failed; the script of before and the snapshot are kept")
        return WeaveEnded(result=EngineResult.FAILED_NEEDS_ATTENTION, faults=found, rollback=rollback)
