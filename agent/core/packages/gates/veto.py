"""Which packages no step may touch, not even as a dependency of another update. Pure."""

from agent.core.model.plan import Refusal
from agent.core.packages.gates.blocklist import blocklisted
from agent.core.packages.gates.runtime import runtime_managed
from agent.core.policy.policy import Policy


def veto(policy: Policy, package: str) -> Refusal | None:
    """Return why no step may touch this package, not even as a dependency; None if steps may."""
    return blocklisted(policy, package) or runtime_managed(policy, package)
