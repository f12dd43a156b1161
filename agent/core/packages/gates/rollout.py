"""Gate: a phased update (Phased-Update-Percentage) waits until its rollout includes this machine."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate, judges_version
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    if update.phased is None:
        return None
    return Refusal(why=Why.PHASED, reason=Reason(code=ReasonCode.ROLLOUT, values=(str(update.phased),)))


def _unknown(offered: Update | None) -> Reason | None:
    """Return that a rollout is not known: what delays an update that is no security update, the resolver finds out."""
    if offered is None or offered.security:
        return judges_version(offered)
    return Reason(code=ReasonCode.ROLLOUT_UNKNOWN)


GATE = Gate(name="rollout", evaluate=_evaluate, unknown=_unknown)
