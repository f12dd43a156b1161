"""Gate: the container runtime is upgraded only if `security.include_runtime` allows it: upgrading means downtime."""

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.atomic_groups import CONTAINER_RUNTIME
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy


def runtime_managed(policy: Policy, package: str) -> Refusal | None:
    """Return a refusal for a package of the container runtime unless the policy includes it."""
    if package not in CONTAINER_RUNTIME or policy.security.include_runtime:
        return None
    return Refusal(why=Why.RUNTIME_MANAGED, reason=Reason(code=ReasonCode.CONTAINER_RUNTIME))


def _evaluate(policy: Policy, update: Update) -> Refusal | None:
    return runtime_managed(policy, update.package)


GATE = Gate(name="runtime", evaluate=_evaluate)
