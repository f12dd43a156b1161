"""Gate: an update must be authenticated, and no other origin may offer another package under its version."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate, judges_version
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if update.conflicting_origin:
        reason = Reason(code=ReasonCode.CONFLICTING_ORIGIN, values=(update.conflicting_origin, update.candidate))
        return Refusal(why=Why.UNTRUSTED, reason=reason)
    if update.trusted:
        return None
    reason = Reason(code=ReasonCode.NOT_AUTHENTICATED, values=(update.origin, update.archive))
    return Refusal(why=Why.UNTRUSTED, reason=reason)


GATE = Gate(name="signature", evaluate=_evaluate, unknown=judges_version)
