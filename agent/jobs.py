"""The only place where the five verbs meet: observe, decide, act, record (report comes with its endpoint).

Level-triggered: every round looks at the machine as it is and decides anew, so a crash, a reboot or an
operator's own hand in between is an ordinary case. Before anything is changed the run is on record.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from agent import log
from agent.act import Acted, carry_out, not_repaired
from agent.core import explain as explaining
from agent.core import judge
from agent.core.decide import Refusal, admit, settle, veto
from agent.core.explain import Explanation
from agent.core.model import Facts, Failure, Outcome, Plan, Repair, Result, Scope, Stage, Step, Why
from agent.core.policy import Policy
from agent.core.ports import Machine, PackageEngine, Refreshed, Tell
from agent.errors import BusyError, ChangedError, HostError, UsageError
from agent.memory import Memory
from agent.observe import observe

_ROUNDS = 4
"""How often a run plans anew because the machine changed under it or a download failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a job works with."""

    policy: Policy
    engine: PackageEngine
    machine: Machine
    memory: Memory
    tell: Tell
    stop: Callable[[], bool] = lambda: False


def check(context: Context, scope: Scope, *, refresh: bool, remember: bool = True) -> Plan:
    """Refresh the lists, look, decide, remember. Changes nothing else.

    Raises:
        BusyError: the lists were held by another program to the deadline.
        HostError: the machine cannot be looked at.
    """
    refreshed = _refresh(context) if refresh else context.memory.refreshed()
    plan = _plan(context, scope, refreshed, {})
    if remember:
        _remember(context, plan)
    log.event("check.finished", scope=scope.value, lists=plan.lists.state.value, install=len(plan.install),
              held=len(plan.held), plan=plan.id)  # fmt: skip
    return plan


def explain(context: Context, name: str) -> Explanation:
    """Look, decide, and say of one package why it is or is not upgraded. Changes and remembers nothing.

    Raises:
        UsageError: no package of that name is known.
        HostError: the machine cannot be looked at.
    """
    facts = observe(context.engine, context.machine, context.memory.refreshed())
    known = context.engine.find(name)
    if known is None:
        similar = context.engine.similar(name)
        hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
        raise UsageError(f"no package named {name!r} is known to apt on this machine{hint}")
    return explaining.explain(context.policy, facts, _decided(context, Scope.SECURITY, facts, {}), known)


def upgrade(context: Context, scope: Scope, *, run_id: str, refresh: bool, plan_id: str | None) -> Outcome:
    """Look, decide, carry the plan out, judge, remember. Every end is an outcome, and on record.

    With `plan_id` the run fails, and does nothing, if the plan is another now.

    Raises:
        HostError: the run cannot be put on record; nothing was changed.
    """
    now = context.machine.now()
    begun = Outcome(
        id=run_id, scope=scope, started_at=now, finished_at=None, result=Result.INTERRUPTED,
        message="begun; if this stands, the run was cut off before it could record its end",
    )  # fmt: skip
    context.memory.keep_outcome(begun, now)
    run = _Run(context, begun)
    try:
        outcome = run.carry_out(refresh=refresh, plan_id=plan_id)
    except BusyError as error:
        outcome = run.end(Result.BUSY, str(error))
    except HostError as error:
        outcome = run.end(Result.FAILED, str(error))
    context.memory.keep_outcome(outcome, context.machine.now())
    log.event("upgrade.finished", run=outcome.id, scope=scope.value, result=outcome.result.value,
              upgraded=len(outcome.upgraded), held=len(outcome.held), failed=[f.package for f in outcome.failed],
              lock_waited_s=outcome.lock.waited_s, lock_held_s=outcome.lock.held_s)  # fmt: skip
    return outcome


class _Run:
    """One run of `upgrade` while it grows."""

    def __init__(self, context: Context, begun: Outcome) -> None:
        self._context = context
        self._so_far = begun
        self._dropped: dict[str, Refusal] = {}
        self._refreshed = context.memory.refreshed()
        self._may_refresh = False

    def carry_out(self, *, refresh: bool, plan_id: str | None) -> Outcome:
        """Go through the rounds and judge the machine as it is after them."""
        self._may_refresh = refresh
        if refresh:
            self._refreshed = _refresh(self._context)
        plan = self._look()
        _remember(self._context, plan)
        if plan_id is not None and plan.id != plan_id:
            raise ChangedError(
                f"the plan is {plan.id} now, not {plan_id}: the machine has changed since. "
                "Nothing was done; look at `maestro-agent check` again"
            )
        if plan.repair:
            plan = self._repair(plan)
        self._rounds(plan)
        self._context.engine.tidy()
        after = self._look()
        _remember(self._context, after)
        return self._judged(after)

    def end(self, result: Result, message: str) -> Outcome:
        """Return what stands when the run could not go on; packages that arrived before that are in it."""
        return replace(
            self._so_far,
            finished_at=self._context.machine.now(),
            result=result,
            message=message,
            reboot=self._context.machine.reboot(),
            lock=self._context.engine.lock,
        )

    def _look(self) -> Plan:
        return _plan(self._context, self._so_far.scope, self._refreshed, self._dropped)

    def _repair(self, plan: Plan) -> Plan:
        self._context.tell("finishing what an interrupted dpkg left behind")
        errors = self._context.engine.repair()
        states = self._context.engine.states()
        names = [f"{item.package}:{item.architecture}" for item in plan.repair if item.package != "dpkg"]
        failed = not_repaired(names, states, errors)
        unfinished = {failure.package for failure in failed}
        done = tuple(r for r in plan.repair if f"{r.package}:{r.architecture}" not in unfinished)
        self._so_far = replace(self._so_far, repaired=done)
        plan = self._look()
        return replace(plan, install=(*plan.install, *self._reinstallations(plan)))

    def _reinstallations(self, plan: Plan) -> tuple[Step, ...]:
        """Return what has to be installed again as it is; what the plan brings to a new version is mended by that."""
        planned = {(step.package, step.architecture) for step in plan.install}
        rest = [item for item in plan.repair if (item.package, item.architecture) not in planned]
        steps = self._context.engine.reinstallations(rest)
        first = 1 + max((step.group for step in plan.install), default=0)
        return tuple(replace(step, group=first + step.group) for step in steps)

    def _rounds(self, plan: Plan) -> None:
        for number in range(_ROUNDS):
            steps = self._downloaded(plan)
            try:
                for acted in carry_out(self._context.engine, steps, plan.scope, self._context.tell):
                    self._add(acted)
                    if self._context.stop():
                        return
            except ChangedError:
                if number == _ROUNDS - 1:
                    raise
                plan = self._look()
            else:
                return

    def _downloaded(self, plan: Plan) -> tuple[Step, ...]:
        """Download the plan's packages; what cannot be had drops out with all that needs it."""
        while plan.install and not self._context.stop():
            self._context.tell(f"downloading {len(plan.install)} packages")
            download = self._context.engine.fetch(plan.install, plan.scope)
            total = self._so_far.downloaded_bytes + download.downloaded_bytes
            self._so_far = replace(self._so_far, downloaded_bytes=total)
            if not download.failed:
                return plan.install
            if self._may_refresh:
                # A package that has gone was most likely superseded: newer lists will say by what.
                self._may_refresh = False
                self._refreshed = _refresh(self._context)
            else:
                for step in plan.install:
                    if step.package in download.failed:
                        name = f"{step.package}:{step.architecture}"
                        self._dropped[name] = (Why.DOWNLOAD_FAILED, download.failed[step.package])
            plan = self._look()
        return ()

    def _add(self, acted: Acted) -> None:
        again = [step for step in acted.upgraded if step.installed == step.candidate]
        repaired = [Repair(package=s.package, architecture=s.architecture, state="reinst-required") for s in again]
        self._so_far = replace(
            self._so_far,
            upgraded=(*self._so_far.upgraded, *(step for step in acted.upgraded if step not in again)),
            repaired=(*self._so_far.repaired, *repaired),
            failed=(*self._so_far.failed, *acted.failed),
        )
        self._context.memory.keep_outcome(self._so_far, self._context.machine.now())

    def _judged(self, after: Plan) -> Outcome:
        engine = self._context.engine
        names = [f"{step.package}:{step.architecture}" for step in self._so_far.upgraded]
        outcome = replace(
            self._so_far,
            finished_at=self._context.machine.now(),
            held=after.held,
            failed=(*self._so_far.failed, *_still_unfinished(after.repair, self._so_far.failed)),
            conffiles_kept=engine.kept_conffiles(names, self._so_far.started_at),
            reboot=after.reboot,
            lists=after.lists,
            lock=engine.lock,
            message="",
        )
        return replace(outcome, result=judge.result(after, outcome, stopped=self._context.stop()))


def _plan(context: Context, scope: Scope, refreshed: Refreshed, dropped: dict[str, Refusal]) -> Plan:
    return _decided(context, scope, observe(context.engine, context.machine, refreshed), dropped)


def _decided(context: Context, scope: Scope, facts: Facts, dropped: dict[str, Refusal]) -> Plan:
    admission = admit(context.policy, facts, scope, dropped)

    def not_touched(package: str) -> Refusal | None:
        given_up = (refusal for name, refusal in dropped.items() if name.split(":")[0] == package)
        return veto(context.policy, package) or next(given_up, None)

    return settle(facts, scope, admission, context.engine.resolve(admission.admitted, scope, not_touched))


def _refresh(context: Context) -> Refreshed:
    context.tell("fetching the package lists")
    before = context.memory.refreshed()
    errors = context.engine.refresh()
    now = context.machine.now()
    attempt = Refreshed(verified_at=now, errors=errors)
    if errors:
        # Which of the failed sources carries security updates, only a look at the lists can tell.
        seen = context.engine.look(now, attempt).lists
        if seen.updated_at is None or any(error.security for error in seen.errors):
            attempt = Refreshed(verified_at=before.verified_at, errors=errors)
    context.memory.keep_refreshed(attempt, now)
    log.event("lists.refreshed", errors=[f"{error.source}: {error.fault.value}" for error in errors])
    return attempt


def _remember(context: Context, plan: Plan) -> None:
    now = context.machine.now()
    fresh_until = _fresh_until(plan.lists.updated_at or plan.seen_at, context.policy)
    context.memory.keep_plan(plan, now, fresh_until=fresh_until)


def _fresh_until(updated_at: datetime, policy: Policy) -> datetime:
    return updated_at + policy.apt.max_list_age


def _still_unfinished(repair: tuple[Repair, ...], failed: tuple[Failure, ...]) -> list[Failure]:
    known = {failure.package for failure in failed}
    return [
        Failure(
            package=name,
            stage=Stage.REPAIR,
            error=f"dpkg left it {item.state}; `dpkg --configure -a` or `apt-get install --reinstall` mends it",
            detail=f"dpkg state: {item.state}",
        )
        for item in repair
        if (name := f"{item.package}:{item.architecture}") not in known
    ]
