"""The part of a plan that a run carries out: all of it, only some packages, or only what was agreed to."""

from collections.abc import Sequence

from agent.core.frozen import replace
from agent.core.model.package import is_package_name
from agent.core.model.plan import Plan
from agent.core.packages import selection
from agent.core.packages.explain_cve import explain_cve, is_cve
from agent.core.packages.selection import Names
from agent.errors import NotInPlanError
from agent.report.reasons import sentence
from agent.report.text import with_packages
from agent.worker.context import JobContext
from agent.worker.steps import plan as planning
from agent.worker.steps.plan import Planned


class RunSelection:
    """What of each plan a run carries out; every plan after the first may only have less."""

    def __init__(self, context: JobContext, plan_id: str | None, requested: Sequence[str]) -> None:
        """Take the id of the requested plan, None for any, and the requested packages, none for all."""
        self._context = context
        self._plan_id = plan_id
        self.requested = tuple(dict.fromkeys(requested))
        self._first: Plan | None = None

    @property
    def limited(self) -> bool:
        """Whether the run may turn out not to be possible as requested: then nothing is done or recorded."""
        return self._plan_id is not None or bool(self.requested)

    @property
    def fixed(self) -> bool:
        """Whether only the requested plan may be carried out."""
        return self._plan_id is not None

    def first(self, planned: Planned) -> Planned:
        """Return the part of the run's first plan that it carries out.

        Raises:
            NotInPlanError: a requested package is not in the plan.
            PlanChangedError: the plan is not the requested one.
        """
        part = select_requested(self._context, planned, self.requested)
        planning.require_plan(self._context, part.plan, self._plan_id)
        self._first = part.plan
        return part

    def later(self, planned: Planned) -> Planned:
        """Return the part of a later plan: what is left of the first one, where that was requested."""
        if self.requested:
            planned = _part(self._context, planned, self.requested)
        if self.fixed and self._first is not None:
            planned = replace(planned, plan=_restricted(planned.plan, self._first))
        return planned

    def concerned(self, after: Plan) -> Plan:
        """Return what of the plan after the run concerns it: the rest was not requested, and so is not left undone."""
        if not self.requested or self._first is None:
            return after
        ids = {item.id for items in (self._first.install, self._first.held) for item in items}
        return selection.concerning(after, ids)


def select_requested(context: JobContext, planned: Planned, names: Sequence[str]) -> Planned:
    """Return the part of the plan that installs the named packages and what they need; all of it without names.

    Raises:
        NotInPlanError: a name is in no step of the plan; the message has the reason of each.
    """
    if not names:
        return planned
    missing = Names(names, planned.facts).missing(planned.plan)
    if missing:
        raise _not_in_plan(context, planned, missing)
    part = _part(context, planned, names)
    if context.record.writable:
        context.record.keep_plan(part.plan, context.machine.now())
    return part


def _part(context: JobContext, planned: Planned, names: Sequence[str]) -> Planned:
    plan, meant = planned.plan, Names(names, planned.facts)
    wanted = frozenset(step.id for step in plan.install if meant.mean(step))
    steps = planned.snapshot.needed_steps(plan.install, wanted, plan.scope)
    part = selection.part_of(plan, steps, meant)
    return replace(planned, plan=planning.planned_removals(context, part, planned.facts, planned.snapshot))


def _not_in_plan(context: JobContext, planned: Planned, names: Sequence[str]) -> NotInPlanError:
    absences = [_absence(context, planned, name) for name in names]
    texts = [f"{one.name[:80]}: {_reason(one)}" for one in absences]
    hints = [_hint(planned, one) for one in absences]
    reasons = "; ".join(f"{text}{hint}" for text, hint in zip(texts, hints, strict=True))
    return NotInPlanError(f"nothing was done: {reasons}", selection.exit_code_of(absences))


def _absence(context: JobContext, planned: Planned, name: str) -> selection.Absence:
    if is_cve(name):
        installed = context.engine.installed_fixes(name)
        found = explain_cve(name, planned.plan, context.record.findings(), installed)
        return selection.absence_of_cve(found, planned.facts.lists.state)
    known = planned.snapshot.find(name.removesuffix(":all")) if is_package_name(name) else None
    return selection.absence(context.policy, planned.facts, planned.plan, name, known)


def _reason(absence: selection.Absence) -> str:
    return sentence(absence.reason) if absence.reason else with_packages(absence.text, [absence.name])


def _hint(planned: Planned, absence: selection.Absence) -> str:
    """Return similar names of a package that apt does not know."""
    if absence.known:
        return ""
    similar = planned.snapshot.similar(absence.name.partition(":")[0])
    return f" (did you mean {' or '.join(similar)}?)" if similar else ""


def _restricted(plan: Plan, agreed: Plan) -> Plan:
    """Return what is left of the agreed plan: no step that it has not, and no group of steps in part."""
    targets = {(step.id, step.candidate) for step in agreed.install}
    others = {step.group for step in plan.install if (step.id, step.candidate) not in targets}
    unused = {removal.id for removal in agreed.unused}
    obsolete = {(removal.id, removal.version) for removal in agreed.remove}
    return replace(
        plan,
        install=tuple(step for step in plan.install if step.group not in others),
        remove=tuple(removal for removal in plan.remove if (removal.id, removal.version) in obsolete),
        unused=tuple(removal for removal in plan.unused if removal.id in unused),
    )
