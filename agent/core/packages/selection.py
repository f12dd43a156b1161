"""Which steps of a plan a request for some packages means, and why a name is not in the plan. Pure."""

from collections.abc import Collection, Iterable, Sequence

from agent.core.frozen import frozen, replace
from agent.core.model.facts import Facts, KnownPackage, ListsState
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Step
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.decide import plan_id
from agent.core.packages.explain import explain_package
from agent.core.packages.explain_cve import CveExplanation
from agent.core.packages.named import names_package
from agent.core.policy.policy import Policy
from agent.core.spread import spread
from agent.errors import ExitCode

_USABLE = frozenset({ListsState.FRESH, ListsState.PARTIAL})
_MOST_UNREAD = 8
"""How many packages whose changelogs were not read are named."""
_WORST_FIRST = (ExitCode.USAGE, ExitCode.ATTENTION, ExitCode.STALE, ExitCode.FAILED)


@frozen
class Absence:
    """Why a requested name is in no step of the plan: a sentence, or a reason that has one."""

    name: str
    exit_code: ExitCode
    text: str = ""
    reason: Reason | None = None
    known: bool = True
    """Whether apt knows a package of that name."""


class Names:
    """The packages and CVEs that a person named, and what they mean in the plans of some facts."""

    def __init__(self, names: Sequence[str], facts: Facts) -> None:
        """Take the facts, whose updates have the CVEs that changelogs name."""
        self.names = tuple(dict.fromkeys(names))
        self._cves = {(update.id, update.candidate): update.cves for update in facts.updates}

    def mean(self, item: Step | Held) -> bool:
        """Whether any of the names means this item of a plan."""
        return any(self._means(name, item) for name in self.names)

    def missing(self, plan: Plan) -> list[str]:
        """Return the names that mean no step of the plan."""
        return [name for name in self.names if not any(self._means(name, step) for step in plan.install)]

    def _means(self, name: str, item: Step | Held) -> bool:
        return names_package(name, item.id) or name in self._cves.get((item.id, item.candidate), ())


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
    if facts.lists.state not in _USABLE:
        return Absence(name=name, exit_code=ExitCode.STALE, reason=gates["lists"].reason)
    reason = gates["offer"].reason
    if reason.code is ReasonCode.NOT_OFFERED:
        return Absence(name=name, exit_code=ExitCode.FAILED, text=f"up to date ({known.installed})")
    return Absence(name=name, exit_code=ExitCode.FAILED, reason=reason)


def absence_of_cve(found: CveExplanation, lists: ListsState) -> Absence:
    """Return why no step of the plan fixes a CVE, from everything that is known about it."""
    if found.held:
        text = "; ".join(f"{item.label} is held back: {item.detail}" for item in found.held)
        return Absence(name=found.cve, exit_code=ExitCode.ATTENTION, text=text)
    if found.installed.found:
        text = ", ".join(f"{one.source} {one.installed}" for one in found.installed.found)
        return Absence(name=found.cve, exit_code=ExitCode.FAILED, text=f"fixed already, by {text}")
    if found.available:
        text = ", ".join(sorted({item.label for item in found.available}))
        return Absence(
            name=found.cve, exit_code=ExitCode.FAILED, text=f"the update of {text} is no security update (--all)"
        )
    if lists not in _USABLE:
        return Absence(name=found.cve, exit_code=ExitCode.STALE, text=f"the package lists are {lists.value}")
    unread = f"; not read: {spread(found.unread, _MOST_UNREAD)}" if found.unread else ""
    text = f"no changelog of a pending update or of an installed package names it{unread}"
    return Absence(name=found.cve, exit_code=ExitCode.USAGE, text=text)


def exit_code_of(absences: Iterable[Absence]) -> ExitCode:
    """Return the exit code of a request that cannot be met: that of the worst reason."""
    found = {one.exit_code for one in absences}
    return next(code for code in _WORST_FIRST if code in found)


def part_of(plan: Plan, steps: tuple[Step, ...], names: Names) -> Plan:
    """Return the plan of a run that installs only these steps. It removes no obsolete kernels, and still repairs.

    What the names mean and is held stays in it: another package may fix the same CVE.
    """
    ids = {step.id for step in steps}
    return replace(
        concerning(plan, ids | {item.id for item in plan.held if names.mean(item)}),
        id=plan_id(plan.scope, steps, plan.repair, journal=plan.journal),
        install=steps,
        remove=(),
        kept=(),
        unused=(),
        requested=names.names,
    )


def concerning(plan: Plan, ids: Collection[PackageId]) -> Plan:
    """Return a plan with only those updates, installable or held, that are of these packages."""
    return replace(
        plan,
        install=tuple(step for step in plan.install if step.id in ids),
        held=tuple(item for item in plan.held if item.id in ids),
        overridden=tuple(one for one in plan.overridden if one.id in ids),
    )
