"""Which packages a person or the age policy keeps as they are for now: no step touches them, not even as a dependency.

Pure. A new package that an update needs has no age: it comes with the update, unless it is snoozed itself.
"""

from collections.abc import Mapping

from agent.core.frozen import frozen
from agent.core.model.facts import Facts
from agent.core.model.package import PackageId
from agent.core.model.plan import Refusal
from agent.core.model.scope import Scope
from agent.core.model.waiting import Snooze
from agent.core.packages.admission import Admission, updates_in_scope
from agent.core.packages.snoozes import snoozed, snoozed_package
from agent.core.packages.soak import waiting
from agent.core.policy.policy import Policy


@frozen
class Postponed:
    """Snoozed packages, and the packages whose updates wait."""

    snoozes: tuple[Snooze, ...]
    waiting: Mapping[PackageId, Refusal]

    def refusal(self, package: PackageId) -> Refusal | None:
        """Return why a package stays as it is; None if steps may touch it."""
        return snoozed_package(self.snoozes, package) or self.waiting.get(package)


def postponed(policy: Policy, facts: Facts, scope: Scope, admission: Admission, *, soaking: bool) -> Postponed:
    """Return the packages that stay as they are although nothing is wrong with them; `soaking`: those that soak, too.

    A package stays out of it if another version of it is admitted.
    """
    admitted = {update.id for update in admission.admitted}
    found: dict[PackageId, Refusal] = {}
    for update in updates_in_scope(facts, scope):
        refusal = snoozed(policy, update) or (waiting(policy, update) if soaking else None)
        if refusal is not None and update.id not in admitted:
            found.setdefault(update.id, refusal)
    return Postponed(snoozes=facts.snoozes, waiting=found)
