"""What makes a unit run current files that `restart-services` leaves, as a phrase for people. Pure."""

from collections.abc import Callable

from agent.core.restart.model import LeftWhy, RestartUnit

_REBOOT = "reboot"
_ENGINES = {"docker.service": "docker", "weave.service": "weave"}
"""Units that the agent restarts by a job of its own."""
_ENDS = {
    "oneshot": "until it ends",
    "transient": "restart what started it",
    "connection": "until its connection ends",
}
_PHRASES: dict[LeftWhy, Callable[[str], str]] = {
    LeftWhy.CONFIGURED: lambda pattern: f"by hand: services.never_restart has {pattern!r}",
    LeftWhy.AGENT: lambda _value: "restarts itself",
    LeftWhy.SESSION: lambda user: f"{user} has to log in again" if user else "its user has to log in again",
    LeftWhy.NO_UNIT: lambda _value: "no unit: restart by hand",
    LeftWhy.NOT_A_SERVICE: lambda _value: "no service: restart by hand",
    LeftWhy.UNIT_GONE: lambda _value: "unit file gone: stop by hand, or reboot",
    LeftWhy.MASKED: lambda _value: "masked: stop by hand, or unmask",
    LeftWhy.NOT_ACTIVE: lambda state: state,
    LeftWhy.ENDS_BY_ITSELF: lambda how: _ENDS.get(how, f"until its job ends, which {how} started"),
    LeftWhy.OTHER_PROCESSES: lambda _value: "until its older processes end",
}
"""By reason; all others need a reboot."""


def remedy(unit: RestartUnit) -> str:
    """Return what helps a unit of a plan that is left; empty for one that is restarted.

    A user who has to log in again is named as `LeftWhy.SESSION` has it: by number, or by name.
    """
    if unit.why is None:
        return ""
    value = unit.values[0] if unit.values else ""
    spared = value if unit.why is LeftWhy.RESTARTS_OTHERS else unit.unit
    if spared in _ENGINES and unit.why in (LeftWhy.NEVER_RESTARTED, LeftWhy.RESTARTS_OTHERS):
        return f"`maestro-agent {_ENGINES[spared]} plan`, or a reboot"
    phrase = _PHRASES.get(unit.why)
    return phrase(value) if phrase else _REBOOT
