"""The jobs that can be asked for: check, explain, upgrade. Here the verbs meet (report comes with its endpoint)."""

from contextlib import nullcontext
from dataclasses import replace

from agent.core.model.outcome import Outcome, Result
from agent.core.model.plan import Plan, Scope
from agent.core.packages import explain as explaining
from agent.core.packages.explain import Explanation
from agent.errors import BusyError, HostError, StoppedError, UsageError
from agent.host import log
from agent.worker.context import JobContext
from agent.worker.jobs.upgrade_run import UpgradeRun
from agent.worker.steps import plan as planning
from agent.worker.steps import prefetch
from agent.worker.steps.observe import observe
from agent.worker.steps.recover import credit_late_arrivals, recover_interrupted_run


def check(context: JobContext, scope: Scope, *, refresh: bool, remember: bool = True) -> Plan:
    """Refresh the lists, look, decide, remember; then fetch and read ahead. Changes nothing else.

    Raises:
        BusyError: the lists were held by another program to the deadline.
        HostError: the machine cannot be looked at.
    """
    with context.engine.apt_daily_lock() if refresh else nullcontext():
        refreshed = planning.refresh(context) if refresh else context.record.load_refresh()
        plan = planning.observe_and_decide(context, scope, refreshed)
        if remember:
            planning.record_plan(context, plan)
            if refresh and prefetch.prefetch_updates(context, plan) and context.record.is_current_plan(plan):
                planning.record_plan(context, plan)
    fields = {"lists": plan.lists.state.value, "install": len(plan.install), "held": len(plan.held), "plan": plan.id}
    log.event("check.finished", scope=scope.value, **fields)
    return plan


def explain(context: JobContext, name: str) -> Explanation:
    """Look, decide, and say of one package why it is or is not upgraded. Changes and remembers nothing.

    Raises:
        UsageError: no package of that name is known.
        HostError: the machine cannot be looked at.
    """
    facts = observe(context.engine, context.machine, context.record.load_refresh())
    known = context.engine.find(name)
    if known is None:
        similar = context.engine.similar(name)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        raise UsageError(f"no package named {name!r} is known to apt on this machine{hint}")
    return explaining.explain_package(context.policy, facts, planning.decide(context, Scope.SECURITY, facts), known)


def upgrade(context: JobContext, scope: Scope, *, run_id: str, refresh: bool, plan_id: str | None) -> Outcome:
    """Look, decide, carry the plan out, judge, remember. Every end is an outcome, and on record.

    With `plan_id` the run fails, and does nothing, if the plan is another now.

    Raises:
        HostError: the run cannot be put on record; nothing was changed.
    """
    left = recover_interrupted_run(context.record, context.engine.states)
    now = context.machine.now()
    message = "begun; if this stands, the run was cut off before it could record its end"
    begun = Outcome(
        id=run_id, scope=scope, started_at=now, finished_at=None, result=Result.INTERRUPTED, message=message
    )
    context.record.save_outcome(begun, now)
    run = UpgradeRun(context, begun)
    try:
        with context.engine.apt_daily_lock():
            outcome = run.carry_out(refresh=refresh, plan_id=plan_id)
    except BusyError as error:
        outcome = run.end(Result.BUSY, str(error))
    except StoppedError as error:
        outcome = run.end(Result.INTERRUPTED, str(error))
    except HostError as error:
        outcome = run.end(Result.FAILED, str(error))
    outcome = credit_late_arrivals(outcome, left, context.engine.states)
    prefetch.read_installed_changelogs(context, outcome, run.after)
    try:
        context.record.save_outcome(outcome, context.machine.now())
    except HostError as error:  # what was done must be told, above all where it cannot be written down
        outcome = replace(outcome, result=Result.FAILED, message=f"{outcome.message} {error}".strip())
    counts = {
        "upgraded": len(outcome.upgraded),
        "held": len(outcome.held),
        "failed": [f.package for f in outcome.failed],
    }
    locks = {"lock_waited_s": outcome.lock.waited_s, "lock_held_s": outcome.lock.held_s}
    log.event("upgrade.finished", run=run_id, scope=scope.value, result=outcome.result.value, **counts, **locks)
    return outcome
