"""Which steps of a plan a request for some packages means, and why a name is not in the plan. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from agent.core.model.facts import Facts, KnownPackage, ListsState
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan, Step
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.decide import plan_id
from agent.core.packages.explain import explain_package
from agent.core.packages.named import names_package
from agent.core.policy.policy import Policy
from agent.errors import ExitCode

_WORST_FIRST = (ExitCode.USAGE, ExitCode.ATTENTION, ExitCode.STALE, ExitCode.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why a requested name is in no step of the plan: a sentence, or a reason that has one."""

    name: str
    exit_code: ExitCode
    text: str = ""
    reason: Reason | None = None
    known: bool = True
    """Whether apt knows a package of that name."""


def wanted(names: Iterable[str], steps: Sequence[Step]) -> frozenset[PackageId]:
    """Return the packages of the steps that the names mean."""
    return frozenset(step.id for name in names for step in steps if names_package(name, step.id))


def missing(names: Iterable[str], plan: Plan) -> list[str]:
    """Return the names that mean no step of the plan, each once."""
    return [name for name in dict.fromkeys(names) if not any(names_package(name, step.id) for step in plan.install)]


def absence(policy: Policy, facts: Facts, plan: Plan, name: str, known: KnownPackage | None) -> Absence:
    """Return why a name is in no step; `known` is the package as apt knows it, None if apt does not."""
    held = next((item for item in plan.held if names_package(name, item.id)), None)
    if held is not None:
        return Absence(name=name, exit_code=ExitCode.ATTENTION, text=f"held back: {held.detail}")
    if known is None:
        return Absence(name=name, exit_code=ExitCode.USAGE, text="apt knows no package of that name", known=False)
    if known.installed is None:
        return Absence(name=name, exit_code=ExitCode.USAGE, text="not installed")
    gates = {gate.name: gate for gate in explain_package(policy, facts, plan, known).gates}
    if facts.lists.state not in {ListsState.FRESH, ListsState.PARTIAL}:
        return Absence(name=name, exit_code=ExitCode.STALE, reason=gates["lists"].reason)
    reason = gates["offer"].reason
    if reason.code is ReasonCode.NOT_OFFERED:
        return Absence(name=name, exit_code=ExitCode.FAILED, text=f"up to date ({known.installed})")
    return Absence(name=name, exit_code=ExitCode.FAILED, reason=reason)


def exit_code_of(absences: Iterable[Absence]) -> ExitCode:
    """Return the exit code of a request that cannot be met: that of the worst reason."""
    found = {one.exit_code for one in absences}
    return next(code for code in _WORST_FIRST if code in found)


def part_of(plan: Plan, steps: tuple[Step, ...], names: Sequence[str]) -> Plan:
    """Return the plan of a run that installs only these steps. It removes no obsolete kernels, and still repairs."""
    ids = {step.id for step in steps}
    return replace(
        concerning(plan, ids),
        id=plan_id(plan.scope, steps, plan.repair, journal=plan.journal),
        install=steps,
        remove=(),
        kept=(),
        unused=(),
        requested=tuple(names),
    )


def concerning(plan: Plan, ids: Collection[PackageId]) -> Plan:
    """Return a plan with only those updates, installable or held, that are of these packages."""
    return replace(
        plan,
        install=tuple(step for step in plan.install if step.id in ids),
        held=tuple(item for item in plan.held if item.id in ids),
        overridden=tuple(one for one in plan.overridden if one.id in ids),
    )
