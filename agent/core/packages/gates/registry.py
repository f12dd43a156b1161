"""The gates that an update passes before the resolver runs. A new gate is one new file and one entry here."""

from collections.abc import Iterator

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal
from agent.core.packages.gates import allowlist, apt_preferences, blocklist, hold, rollout, runtime, signature
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy

GATES: tuple[Gate, ...] = (
    hold.GATE,
    blocklist.GATE,
    runtime.GATE,
    allowlist.GATE,
    signature.GATE,
    rollout.GATE,
    apt_preferences.GATE,
)
"""Every gate in order: the first that is shut gives the reason; `explain` shows them all."""


def evaluate(policy: Policy, update: Update) -> Iterator[tuple[Gate, Refusal | None]]:
    """Evaluate every gate in order; None if it is open."""
    return ((gate, gate.evaluate(policy, update)) for gate in GATES)


def first_refusal(policy: Policy, update: Update) -> Refusal | None:
    """Return the refusal of the first gate that is shut; None if all are open."""
    return next((refusal for _, refusal in evaluate(policy, update) if refusal is not None), None)
