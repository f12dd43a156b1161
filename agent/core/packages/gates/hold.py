"""Gate: a package on hold (dpkg's selection state, `apt-mark hold`) stays at its version."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if not update.on_hold:
        return None
    return Refusal(why=Why.HELD_BY_ADMIN, reason=Reason(code=ReasonCode.ON_HOLD))


GATE = Gate(name="hold", evaluate=_evaluate)
