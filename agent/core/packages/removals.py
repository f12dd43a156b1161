"""Which packages that apt calls unneeded stay all the same. Pure."""

from collections.abc import Iterable

from agent.core.model.kernels import AutoRemovable, Dependency
from agent.core.model.package import PackageId
from agent.core.model.reasons import Reason, ReasonCode


def own_reason(one: AutoRemovable) -> Reason | None:
    """Return why a package stays whatever the policy says; None if it may go."""
    if one.on_hold:
        return Reason(code=ReasonCode.ON_HOLD)
    return None if one.automatic else Reason(code=ReasonCode.MARKED_MANUAL)


def keep_needed(going: set[PackageId], needs: Iterable[Dependency]) -> dict[PackageId, Reason]:
    """Take out of `going` what a package that stays needs, and what that needs in turn; return the reasons."""
    reasons: dict[PackageId, Reason] = {}
    left = tuple(needs)
    while still := next((one for one in left if one.package not in going and going.issuperset(one.any_of)), None):
        going.difference_update(still.any_of)
        reasons.update(dict.fromkeys(still.any_of, Reason(code=ReasonCode.NEEDED_BY, values=(still.package.label,))))
    return reasons
