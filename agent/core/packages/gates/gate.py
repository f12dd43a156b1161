"""A gate: one rule that may hold an update, evaluated before the resolver runs. Pure."""

from collections.abc import Callable

from agent.core.frozen import frozen
from agent.core.model.facts import Update
from agent.core.model.plan import Refusal
from agent.core.policy.policy import Policy


@frozen
class Gate:
    """One gate; `explain` shows its name."""

    name: str
    evaluate: Callable[[Policy, Update], Refusal | None]
    """Returns why the gate is shut for an update; None if it is open."""
