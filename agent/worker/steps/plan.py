"""The steps of every job: refresh, observe, decide, record.

Level-triggered: each plan is made from the machine as it is now, so a crash, a reboot or a manual change in between
needs no special handling.
"""

from collections.abc import Collection, Mapping

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Facts, Unseen
from agent.core.model.plan import Plan
from agent.core.model.release import release_support
from agent.core.model.scope import Scope
from agent.core.packages import decide as deciding
from agent.core.packages.cohort import cohort_of
from agent.core.packages.dropped import NOTHING_DROPPED, Dropped
from agent.core.packages.soak import waiting
from agent.core.packages.unused import removes_unused, unused_packages
from agent.core.ports import PackageSnapshot, RefreshResult
from agent.core.schemas import Document
from agent.errors import PlanChangedError
from agent.host import log
from agent.report.plan_change import plan_change
from agent.report.reasons import sentence, with_sentences
from agent.state.documents.soak import soak_to_document
from agent.worker.context import JobContext
from agent.worker.log_items import source_errors
from agent.worker.steps.engine_documents import engine_documents, with_held_fixes
from agent.worker.steps.exposure import reboot_since, record_exposure
from agent.worker.steps.observe import Observation, keep_packages, observe
from agent.worker.steps.services import observe_services
from agent.worker.steps.waiting import record_waiting, with_waiting


@frozen
class Planned:
    """A plan and the snapshot that it was made from, through which its steps are downloaded."""

    plan: Plan
    facts: Facts
    snapshot: PackageSnapshot

    @property
    def observation(self) -> Observation:
        """What it was planned from."""
        return Observation(facts=self.facts, snapshot=self.snapshot)


def refresh(context: JobContext) -> RefreshResult:
    """Fetch the package lists and record the result.

    Raises:
        BusyError: another program held the lists until the deadline.
        HostError: the sources cannot be read.
    """
    context.control.step("fetching the package lists")
    attempt = context.engine.refresh()
    now = context.machine.now()
    refreshed = context.record.load_refresh().after(attempt, now)
    context.record.save_refresh(refreshed, now)
    if attempt.errors:
        log.event(log.LogEvent.LISTS_INCOMPLETE, errors=source_errors(attempt.errors))
    else:
        log.event(log.LogEvent.LISTS_REFRESHED)
    return refreshed


def observe_and_decide(
    context: JobContext, scope: Scope, refreshed: RefreshResult, dropped: Dropped = NOTHING_DROPPED
) -> Planned:
    """Observe the machine and plan without what is `dropped`.

    Raises:
        HostError: the machine cannot be observed.
    """
    observation = observe(context, refreshed)
    plan = decide(context, scope, observation, dropped)
    return Planned(plan=plan, facts=observation.facts, snapshot=observation.snapshot)


def without_soak(
    context: JobContext,
    planned: Planned,
    names: Collection[str],
    dropped: Dropped = NOTHING_DROPPED,
) -> Planned:
    """Return the plan in which what a person named does not wait for soak and cohort, nor does what it needs.

    `names` as `despite_soak` of `agent.core.packages.decide`. Such a plan is carried out and never recorded as what is
    pending: the daily upgrade still waits.

    Raises:
        HostError: the packages cannot be observed.
    """
    if not names or all(waiting(context.policy, update) is None for update in planned.facts.updates):
        return planned
    plan = decide(context, planned.plan.scope, planned.observation, dropped, despite_soak=names)
    return replace(planned, plan=plan)


def decided_again(context: JobContext, planned: Planned, dropped: Dropped = NOTHING_DROPPED) -> Planned:
    """Return the plan by the changelogs that were read since: a snooze holds an update only if all its CVEs are known.

    Raises:
        HostError: the packages cannot be observed.
    """
    again = replace(planned, facts=with_waiting(context, planned.facts))
    return replace(again, plan=decide(context, planned.plan.scope, again.observation, dropped))


def decide(
    context: JobContext,
    scope: Scope,
    observation: Observation,
    dropped: Dropped = NOTHING_DROPPED,
    despite_soak: Collection[str] = (),
) -> Plan:
    """Plan from an observation, with the resolver of its snapshot; `despite_soak` as in the core's `decide`."""
    snapshot = observation.snapshot
    plan = deciding.decide(
        context.policy,
        observation.facts,
        scope,
        dropped,
        lambda admitted, veto: snapshot.resolve(admitted, scope, veto),
        despite_soak=despite_soak,
    )
    plan = planned_removals(context, plan, observation.facts, snapshot)
    return with_held_fixes(with_sentences(plan), context.record.held_fixes())


def planned_removals(context: JobContext, plan: Plan, facts: Facts, snapshot: PackageSnapshot) -> Plan:
    """Return the plan with what the run removes because the plan makes it unneeded, if the policy has that removed."""
    if not (plan.install and removes_unused(context.policy)):
        return plan
    found = snapshot.unneeded_after(plan.install, plan.scope)
    unused = unused_packages(context.policy, facts, found)
    return deciding.with_unused(plan, tuple(replace(one, reason=sentence(one.cause)) for one in unused))


def require_plan(context: JobContext, plan: Plan, plan_id: str | None) -> None:
    """Check that the plan is the requested one; None accepts any.

    Raises:
        PlanChangedError: it is another; the message names what changed since.
    """
    if plan_id is not None and plan.id != plan_id:
        raise PlanChangedError(plan_change(plan_id, plan, context.record.last_plans()))


def record_plan(
    context: JobContext, planned: Planned, engines: Mapping[str, Document | None] | None = None
) -> tuple[str, ...] | Unseen:
    """Record a plan for `status`, with a scan of the services and the exposure; return those that run replaced files.

    `status` has the plan that is carried out without a person, so that it says the same after each run: the one of
    security updates, also where the given one is of all. The given one is kept to be asked for by its id.
    `engines` as of `engine_documents`, which is called for None.

    The plan counts as fresh until its lists are too old.

    Raises:
        HostError: the packages cannot be observed.
    """
    if not context.record.writable:
        return Unseen(reason="not recorded")
    scan = observe_services(context)
    plan = replace(planned.plan, reboot=reboot_since(context, planned.plan.reboot, scan))
    if isinstance(scan.replaced, Unseen):
        log.event(log.LogEvent.SERVICES_UNSEEN, reason=scan.replaced.reason)
    keep_packages(context, planned.snapshot)
    # Lists without a date are stale anyway.
    fresh_until = (plan.lists.updated_at or plan.seen_at) + context.policy.apt.max_list_age
    seen = engine_documents(context, plan.held) if engines is None else engines
    context.record.keep_plan(plan, context.machine.now())
    if plan.scope is not Scope.SECURITY:
        plan = replace(decide(context, Scope.SECURITY, planned.observation), reboot=plan.reboot)
    record_waiting(context, planned.facts)
    exposure, now = record_exposure(context, planned.facts, scan), context.machine.now()
    soak = soak_to_document(context.policy.soak, cohort_of(context.policy.soak, context.machine_id))
    found = context.machine.release()
    release = release_support(found, plan.lists) if found is not None else None
    context.record.save_plan(
        plan, now, fresh_until=fresh_until, scan=scan, exposure=exposure, engines=seen, release=release, soak=soak
    )
    return scan.replaced
