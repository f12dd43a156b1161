"""Gate: packages that match `security.blocklist` are never touched."""

from fnmatch import fnmatchcase

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def blocklisted(policy: Policy, package: str) -> Refusal | None:
    """Return a refusal with the blocklist pattern that matches the package; None if none does."""
    pattern = next((one for one in policy.security.blocklist if fnmatchcase(package, one)), None)
    if pattern is None:
        return None
    return Refusal(why=Why.BLOCKLISTED, reason=Reason(code=ReasonCode.BLOCKLISTED, values=(pattern,)))


def _evaluate(policy: Policy, update: Update) -> Refusal | None:
    return blocklisted(policy, update.package)


GATE = Gate(name="blocklist", evaluate=_evaluate)
