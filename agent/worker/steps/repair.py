"""Packages that dpkg has not finished after a repair, and what an administrator can do about each."""

from collections.abc import Callable, Collection, Mapping, Sequence

from agent.core.frozen import replace
from agent.core.model.facts import UNMET_DEPENDENCIES, PackageState, Repair
from agent.core.model.outcome import Failure, Stage
from agent.core.model.package import PackageId
from agent.core.model.plan import Plan
from agent.core.model.transaction import TransactionReport
from agent.core.packages import verify
from agent.core.packages.gates.veto import veto
from agent.core.policy.policy import Policy
from agent.core.ports import PackageSnapshot
from agent.report.reasons import sentence

States = Mapping[PackageId, PackageState]


def not_repaired(before: Sequence[PackageId], states: States, report: TransactionReport) -> list[Failure]:
    """Return a failure for each of these packages that a repair could not finish."""
    found = []
    for package in before:
        state = states.get(package)
        if state is not None and state.state not in verify.HEALTHY_STATES:
            of_all = "" if report.cause else report.fatal  # the cause is reported once, for the run
            error = report.error_of(package) or of_all or f"dpkg could not finish it: {state.state}"
            found.append(Failure(package=package, stage=Stage.REPAIR, error=error, detail=f"dpkg state: {state.state}"))
    return found


def with_reinstallations(plan: Plan, snapshot: PackageSnapshot, may_touch: Callable[[PackageId], bool]) -> Plan:
    """Return the plan with steps that reinstall packages at their current version, but for those that it upgrades.

    A first installation that was interrupted comes with its dependencies: one that may not be installed stops it.
    """
    planned = {step.id for step in plan.install}
    left = [item for item in plan.repair if item.id not in planned and may_touch(item.id)]
    found = snapshot.reinstallations(left)
    stopped = {step.group for step in found if not may_touch(step.id)}
    first = 1 + max((step.group for step in plan.install), default=0)
    groups = {step.package: step.group for step in plan.install}
    added = (
        replace(step, group=groups.get(step.package, first + step.group)) for step in found if step.group not in stopped
    )
    return replace(plan, install=(*plan.install, *added))


def still_unfinished(
    policy: Policy,
    after: Plan,
    read_states: Callable[[], States],
    unrepaired: Mapping[PackageId, Failure],
    known: Collection[PackageId],
) -> list[Failure]:
    """Return a failure for each package that the plan `after` a run lists as unfinished, except the `known` ones.

    `unrepaired` holds failures with dpkg's own error, by package.
    """
    journal = [_journal_left()] if after.journal else []
    left = [item for item in after.repair if item.id not in known and item.state != UNMET_DEPENDENCIES]
    return journal + [
        unrepaired.get(item.id)
        or Failure(
            package=item.id,
            stage=Stage.REPAIR,
            error=_way_out(policy, item, read_states),
            detail=f"dpkg state: {item.state}",
        )
        for item in left
    ]


def _way_out(policy: Policy, item: Repair, read_states: Callable[[], States]) -> str:
    """Return what an administrator can do about an unfinished package."""
    if item.state != "reinst-required":
        return _finish_by_hand(item.state)
    refusal = veto(policy, item.package)
    if refusal is not None:
        return f"dpkg requires a reinstallation, but the package may not be touched: it {sentence(refusal.reason)}"
    state = read_states().get(item.id)
    version = state.version if state is not None else None
    return (
        f"dpkg requires a reinstallation, but it is on hold or no source offers {item.label} {version or ''}: "
        f"install its archive by hand (`dpkg -i`), or remove it (`dpkg --remove --force-remove-reinstreq {item.label}`)"
    )


def _finish_by_hand(state: str) -> str:
    return f"dpkg left it {state}; `dpkg --configure -a` or `apt-get install --reinstall` fixes it"


def _journal_left() -> Failure:
    """Return the failure of a repair that did not merge dpkg's journal; documents show its package as `dpkg:`."""
    database = PackageId(name="dpkg", architecture="")
    return Failure(
        package=database, stage=Stage.REPAIR, error=_finish_by_hand("interrupted"), detail="dpkg state: interrupted"
    )
