"""Gate: a phased update (Phased-Update-Percentage) waits until its rollout includes this machine."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if update.phased is None:
        return None
    return Refusal(why=Why.PHASED, reason=Reason(code=ReasonCode.ROLLOUT, values=(str(update.phased),)))


GATE = Gate(name="rollout", evaluate=_evaluate)
