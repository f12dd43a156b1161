"""Fixes that only Ubuntu Pro brings: why this machine does not get them. Pure."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode


def not_enabled(update: Update) -> Refusal:
    """Return why a fix of ESM is not installed."""
    reason = Reason(code=ReasonCode.ESM_ONLY, values=(f"{update.origin} {update.archive}",))
    return Refusal(why=Why.ESM_ONLY, reason=reason)
