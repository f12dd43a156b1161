"""Gate: if `security.allowlist` is not empty, only matching packages and their dependencies are upgraded."""

from fnmatch import fnmatchcase

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def not_allowlisted(policy: Policy, package: str) -> Refusal | None:
    """Return a refusal if an allowlist is configured and no pattern matches the package; None otherwise."""
    patterns = policy.security.allowlist
    if not patterns or any(fnmatchcase(package, pattern) for pattern in patterns):
        return None
    reason = Reason(code=ReasonCode.NOT_ALLOWLISTED, values=(", ".join(patterns),))
    return Refusal(why=Why.NOT_ALLOWLISTED, reason=reason)


def _evaluate(policy: Policy, update: Update) -> Refusal | None:
    return not_allowlisted(policy, update.package)


GATE = Gate(name="allowlist", evaluate=_evaluate)
