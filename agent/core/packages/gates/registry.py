"""The gates that an update passes before the resolver runs. A new gate is one new file and one line here.

Imported by name, as jobs, exporters and commands are: one line is the whole registration.
"""

from collections.abc import Iterator
from importlib import import_module

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal
from agent.core.packages.gates.gate import Gate
from agent.core.policy.policy import Policy

_ORDER = (
    "hold",
    "blocklist",
    "runtime",
    "allowlist",
    "signature",
    "snooze",
    "soak",
    "rollout",
    "apt_preferences",
)
"""The modules of this folder, each with its `GATE`, in the order in which they are evaluated."""
GATES: tuple[Gate, ...] = tuple(import_module(f"agent.core.packages.gates.{name}").GATE for name in _ORDER)
"""Every gate in order: the first that is shut gives the reason; `explain` shows them all."""


def evaluate(policy: Policy, update: Update) -> Iterator[tuple[Gate, Refusal | None]]:
    """Evaluate every gate in order; None if it is open."""
    return ((gate, gate.evaluate(policy, update)) for gate in GATES)


def first_refusal(policy: Policy, update: Update) -> Refusal | None:
    """Return the refusal of the first gate that is shut; None if all are open."""
    return next((refusal for _, refusal in evaluate(policy, update) if refusal is not None), None)
