"""Which packages an upgrade run removes because it made them unneeded (`security.remove_unused`). Pure.

Never a package that was unneeded before the run: somebody may count on it. Never a kernel: those have their own rule,
`agent.core.packages.kernels`. Never one that the administrator or the policy keeps.
"""

from agent.core.model.facts import Facts
from agent.core.model.kernels import AutoRemovable, NewlyUnneeded, Removal
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.allowlist import not_allowlisted
from agent.core.packages.gates.veto import veto
from agent.core.packages.kernels import release_of
from agent.core.packages.removals import keep_needed, own_reason
from agent.core.packages.snoozes import snoozed_package
from agent.core.policy.policy import Policy, RemoveUnused

_UNUSED = Reason(code=ReasonCode.UNUSED)


def removes_unused(policy: Policy) -> bool:
    """Whether a run removes anything at all."""
    return policy.security.remove_unused is RemoveUnused.NEW


def unused_packages(policy: Policy, facts: Facts, found: NewlyUnneeded) -> tuple[Removal, ...]:
    """Return what a run removes of the packages that it makes unneeded, sorted; `facts` are those of before the run."""
    before = {one.id for one in facts.kernels.unneeded}
    fresh = [one for one in found.packages if one.id not in before]
    going = {one.id for one in fresh if not _stays(policy, facts, one)}
    keep_needed(going, found.needs)
    return tuple(_removal(one) for one in sorted(fresh, key=lambda one: one.id) if one.id in going)


def _stays(policy: Policy, facts: Facts, one: AutoRemovable) -> bool:
    name = one.package
    if release_of(name, facts.kernels.patterns) is not None or own_reason(one) is not None:
        return True
    refusal = veto(policy, name) or not_allowlisted(policy, name) or snoozed_package(facts.snoozes, one.id)
    return refusal is not None


def _removal(one: AutoRemovable) -> Removal:
    return Removal(package=one.package, architecture=one.architecture, version=one.version, cause=_UNUSED)
