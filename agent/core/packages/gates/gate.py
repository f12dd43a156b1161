"""A gate: one rule that may hold an update, evaluated before the resolver runs. Pure."""

from collections.abc import Callable

from agent.core.frozen import frozen
from agent.core.model.facts import Update
from agent.core.model.plan import Refusal
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.policy.policy import Policy


def judges_package(_offered: Update | None) -> Reason | None:
    """Return None: the gate judges the package, with or without a newer version."""
    return None


def judges_version(offered: Update | None) -> Reason | None:
    """Return that the gate has no version to judge; None if a newer one is offered."""
    return Reason(code=ReasonCode.NO_VERSION) if offered is None else None


@frozen
class Gate:
    """One gate; `explain` shows its name."""

    name: str
    evaluate: Callable[[Policy, Update], Refusal | None]
    """Returns why the gate is shut for an update; None if it is open."""
    unknown: Callable[[Update | None], Reason | None] = judges_package
    """Returns why `evaluate` cannot tell, for `explain`; None if it can. Without an update none is offered."""
