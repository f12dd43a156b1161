"""Gate: an update must be authenticated, and no other origin may offer another package under its version."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if update.rival:
        return Refusal(
            why=Why.UNTRUSTED,
            detail=f"{update.rival} offers another package as {update.candidate}, and apt mixes them up",
        )
    if update.trusted:
        return None
    return Refusal(
        why=Why.UNTRUSTED,
        detail=f"{update.origin} {update.archive} is not authenticated: its signature is missing or bad",
    )


GATE = Gate(name="signature", evaluate=_evaluate)
