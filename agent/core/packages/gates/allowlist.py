"""Gate: where `security.allowlist` is not empty, only matching packages are upgraded, with what they need."""

from fnmatch import fnmatchcase

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def not_allowlisted(policy: Policy, package: str) -> Refusal | None:
    """Return a refusal where an allowlist is configured and matches no part of it; None where it may be upgraded."""
    patterns = policy.security.allowlist
    if not patterns or any(fnmatchcase(package, pattern) for pattern in patterns):
        return None
    reason = Reason(code=ReasonCode.NOT_ALLOWLISTED, values=(", ".join(patterns),))
    return Refusal(why=Why.NOT_ALLOWLISTED, reason=reason)


def _evaluate(policy: Policy, update: Update) -> Refusal | None:
    return not_allowlisted(policy, update.package)


GATE = Gate(name="allowlist", evaluate=_evaluate)
