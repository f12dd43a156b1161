"""Gate: apt's preferences (apt_preferences(5)) pin the package to another version."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import text_reason
from agent.core.packages.gates.gate import Gate, judges_version
from agent.core.policy.policy import Policy


def _evaluate(_policy: Policy, update: Update) -> Refusal | None:
    return None if update.pin is None else Refusal(why=Why.PINNED, reason=text_reason(update.pin))


GATE = Gate(name="apt-preferences", evaluate=_evaluate, unknown=judges_version)
