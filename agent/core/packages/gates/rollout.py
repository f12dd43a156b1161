"""Gate: a phased update (Phased-Update-Percentage) waits until its rollout includes this machine."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if update.phased is None:
        return None
    return Refusal(why=Why.PHASED, detail=f"rolled out to {update.phased} % of machines so far, not yet to this one")


GATE = Gate(name="rollout", evaluate=_evaluate)
