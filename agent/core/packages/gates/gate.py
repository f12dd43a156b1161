"""What a gate is: one rule that holds an update back, evaluated before the resolver runs. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.core.model.facts import Update
from agent.core.model.plan import Refusal
from agent.core.policy.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate, by the name that `explain` shows."""

    name: str
    evaluate: Callable[[Policy, Update], Refusal | None]
    """Returns why the gate is shut for an update; None where it is open."""
