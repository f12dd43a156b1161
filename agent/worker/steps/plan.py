"""One turn of the wheel: refresh, look, decide, remember. Every job is made of these.

Level-triggered: each turn looks at the machine as it is and decides anew, so a crash, a reboot or an
operator's own hand in between is an ordinary case.
"""

from collections.abc import Mapping
from dataclasses import replace

from agent import log
from agent.core.model.facts import Facts, ListsState, Unseen
from agent.core.model.plan import Held, Plan, Scope
from agent.core.packages.decide import admit, retire, retreats, settle
from agent.core.packages.gates import Refusal, veto
from agent.core.policy.policy import RUNTIME_PACKAGES
from agent.core.ports import Refreshed
from agent.worker.context import Context
from agent.worker.steps.observe import observe


def refresh(context: Context) -> Refreshed:
    """Fetch the package lists and remember how that went.

    Raises:
        BusyError: the lists were held by another program to the deadline.
        HostError: the sources cannot be read.
    """
    context.tell("fetching the package lists")
    before = context.memory.refreshed()
    errors = context.engine.refresh()
    now = context.machine.now()
    attempt = Refreshed(verified_at=now, errors=errors)
    if errors:
        # Which of the failed sources carries security updates, only a look at the lists can tell.
        seen = context.engine.look(now, attempt).lists
        if seen.state in {ListsState.STALE, ListsState.NEVER}:
            attempt = Refreshed(verified_at=before.verified_at, errors=errors)
    context.memory.keep_refreshed(attempt, now)
    log.event("lists.refreshed", errors=[f"{error.source}: {error.fault.value}" for error in errors])
    return attempt


def look_and_decide(
    context: Context, scope: Scope, refreshed: Refreshed, dropped: Mapping[str, Refusal] | None = None
) -> Plan:
    """Look at the machine as it is and plan; `dropped` as in `agent.core.packages.decide.admit`.

    Raises:
        HostError: the machine cannot be looked at.
    """
    return decide(context, scope, observe(context.engine, context.machine, refreshed), dropped)


def decide(context: Context, scope: Scope, facts: Facts, dropped: Mapping[str, Refusal] | None = None) -> Plan:
    """Plan from facts that were just observed: admit, resolve, settle."""
    given_up = {name.split(":")[0]: refusal for name, refusal in (dropped or {}).items()}
    admission = admit(context.policy, facts, scope, dropped)

    def untouchable(package: str) -> Refusal | None:
        return veto(context.policy, package) or given_up.get(package)

    tried, told = admission.admitted, tuple[Held, ...]()
    resolution = context.engine.resolve(tried, scope, untouchable)
    while (retreat := retreats(context.policy, facts, scope, tried, resolution)) is not None:
        tried, told = retreat.tried, (*told, *retreat.held)
        given_up.update(
            {held.package: (held.why, held.detail) for held in retreat.held if held.package in RUNTIME_PACKAGES}
        )
        resolution = context.engine.resolve(tried, scope, untouchable)
    resolution = replace(resolution, refused=(*told, *resolution.refused))
    kernels = retire(context.policy, facts, resolution.steps, untouchable)
    return settle(facts, scope, admission, resolution, kernels)


def remember(context: Context, plan: Plan) -> None:
    """Make a plan what `status` shows, until the lists that it rests on are too old; with what runs meanwhile."""
    if context.memory.problem:
        return
    watched = context.machine.watched()
    if isinstance(watched.replaced, Unseen):
        log.event("services.unseen", reason=watched.replaced.reason)
    # Lists without a date are stale already, whatever stands here.
    fresh_until = (plan.lists.updated_at or plan.seen_at) + context.policy.apt.max_list_age
    context.memory.keep_plan(plan, context.machine.now(), fresh_until=fresh_until, watched=watched)
