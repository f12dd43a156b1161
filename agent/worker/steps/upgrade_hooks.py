"""The hooks of pre-upgrade.d before the first package of a run is installed, and those of post-upgrade.d after it.

A hook before may have drained the machine, so that the hooks after it run whatever the result is, and after a kill or a
power cut in the next job. What is owed is on record before the first hook starts.
"""

from contextlib import suppress

from agent.core.frozen import replace
from agent.core.hooks import POST_UPGRADE, PRE_UPGRADE
from agent.core.model.outcome import Outcome
from agent.core.model.plan import Plan
from agent.core.packages import verify
from agent.core.schemas import ENGINE_OUTCOME_SCHEMA, OUTCOME_SCHEMA, Document
from agent.errors import DeferredError, HostError, RecordError
from agent.host import log
from agent.state.documents.outcome import outcome_to_document
from agent.state.documents.plan import plan_to_document
from agent.state.owed_hooks import OwedHooks, owe_hooks, owed_hooks, settle_hooks
from agent.worker.context import JobContext
from agent.worker.steps.finish_engines import record_engine_problem


class UpgradeHooks:
    """The hooks of one run."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._before = False
        """Whether the hooks before it have had their turn: once, however often the run plans again."""
        self._owed = False
        self.earlier_problem = ""
        """What failed, in this job, of the hooks that an earlier run owed; empty: nothing."""

    def run_before(self, plan: Plan) -> None:
        """Run the hooks before the steps of this plan; does nothing the second time.

        Raises:
            DeferredError: a hook asks for a later time.
            HostError: a hook failed, or what is owed cannot be recorded.
        """
        hooks, store = self._context.hooks, self._context.record.store
        if self._before or not plan.install:
            return
        self._before = True
        if not (hooks.has_hooks(PRE_UPGRADE) or hooks.has_hooks(POST_UPGRADE)):
            return
        now = self._context.machine.now()
        owe_hooks(store, OwedHooks(run=self._context.run_id), now)
        self._owed = True
        self._context.control.step("running the hooks before the upgrade")
        verdict = hooks.run_hooks(PRE_UPGRADE, plan_to_document(plan, now, self._context.record.findings()))
        if not verdict.problem:
            return
        if not verdict.ran:
            self.settle()
        if verdict.deferred:
            raise DeferredError(f"deferred, nothing was installed: {verdict.problem}")
        raise HostError(f"nothing was installed: {verdict.problem}")

    def run_after(self, outcome: Outcome) -> Outcome:
        """Run the hooks after the run, if they are owed; return the outcome, degraded if one fails.

        Without hooks of its own, what those of an earlier run left undone is still so after this one. They are owed
        until `settle`: until then the recorded outcome is not taken for final.
        """
        if not self._owed:
            return verify.with_cause(outcome, self.earlier_problem)
        document = outcome_to_document(outcome, self._context.machine.now(), self._context.record.findings())
        problem = _run_after(self._context, POST_UPGRADE, document)
        return verify.with_cause(outcome, problem)

    def settle(self) -> None:
        """Record that no hooks are owed any more."""
        if not self._owed:
            return
        self._owed = False
        with suppress(HostError):  # a full disk: the next job runs them once more
            settle_hooks(self._context.record.store)


def finish_owed_hooks(context: JobContext, directory: str = POST_UPGRADE) -> str:
    """Run the hooks after an upgrade that was interrupted; once more if this job is interrupted, too.

    What fails is added to the outcome of that run. Returns it if the hooks are those of `directory`.
    """
    store = context.record.store
    owed = owed_hooks(store)
    if owed is None:
        return ""
    problem = _run_after(context, owed.directory, _interrupted(context, owed))
    log.event(log.LogEvent.HOOKS_FINISHED, run=owed.run, error=problem)
    with suppress(HostError):  # the log has it
        _record_problem(context, owed, problem)
    with suppress(HostError):
        settle_hooks(store)
    return problem if owed.directory == directory else ""


def _record_problem(context: JobContext, owed: OwedHooks, problem: str) -> None:
    """Add what failed to the outcome of the run that owed the hooks.

    Raises:
        HostError: it cannot be written.
    """
    record = context.record
    if not problem or not owed.run:
        return
    if owed.directory == POST_UPGRADE:
        run = record.package_run(owed.run)
        if run is not None:
            record.replace_run(replace(run, outcome=verify.with_cause(run.outcome, problem)))
    else:
        record_engine_problem(context, owed, problem)


def _run_after(context: JobContext, directory: str, document: Document) -> str:
    context.control.step("running the hooks after the upgrade")
    return context.hooks.run_hooks(directory, document).problem


def _interrupted(context: JobContext, owed: OwedHooks) -> Document:
    """Return what is on record of a run; only its id and result if nothing is."""
    with suppress(RecordError):
        run = context.record.store.read_run(owed.run) if owed.run else None
        if run is not None:
            return dict(run.raw)
    schema = OUTCOME_SCHEMA if owed.directory == POST_UPGRADE else ENGINE_OUTCOME_SCHEMA
    return {"schema": schema, "id": owed.run, "result": "interrupted"}
