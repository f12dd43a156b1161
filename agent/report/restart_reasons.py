"""Sentences for the codes of `restart-services`, without a full stop. Pure."""

from collections.abc import Callable

from agent.core.restart.model import LeftWhy, RestartUnit

_ENDS = {
    "oneshot": "it runs one job and ends by itself",
    "transient": "it was started for one job (`systemd-run`) and ends by itself",
    "connection": "it serves one connection and ends with it",
}
_SENTENCES: dict[LeftWhy, Callable[[str], str]] = {
    LeftWhy.NEEDS_REBOOT: lambda breaks: f"{breaks}; it needs a reboot",
    LeftWhy.NEVER_RESTARTED: lambda breaks: f"{breaks}; restart it by hand, or reboot",
    LeftWhy.CONFIGURED: lambda pattern: f"services.never_restart has {pattern!r}",
    LeftWhy.AGENT: lambda _value: "it is part of the agent, which restarts itself",
    LeftWhy.SESSION: lambda uid: f"user {uid} has to log in again" if uid else "its user has to log in again",
    LeftWhy.NO_UNIT: lambda _value: "it belongs to no unit: restart it by hand",
    LeftWhy.NOT_A_SERVICE: lambda _value: "it is not a service: restart it by hand",
    LeftWhy.UNIT_GONE: lambda _value: "its unit file is gone: stop it by hand, or reboot",
    LeftWhy.MASKED: lambda _value: "it is masked: stop it by hand, or unmask it",
    LeftWhy.REFUSES_RESTART: lambda _value: "its unit file refuses a manual restart",
    LeftWhy.NOT_ACTIVE: lambda state: f"it is {state} now",
    LeftWhy.ENDS_BY_ITSELF: lambda how: _ENDS.get(how, f"it runs one job that {how} started, and ends by itself"),
    LeftWhy.OTHER_PROCESSES: lambda _value: (
        "its main process runs current files; its other processes survive a restart, and run old files until they end"
    ),
    LeftWhy.RESTARTS_OTHERS: lambda other: f"systemd would restart {other} with it, which is left alone",
    LeftWhy.START_LIMIT: lambda seconds: f"its start limit allows no further start for {seconds} s",
    LeftWhy.AFTER_FAILURES: lambda count: f"not tried: {count} units had failed before",
    LeftWhy.STOPPED: lambda reason: f"not tried: the run was stopped {reason}",
}


def restart_sentence(unit: RestartUnit) -> str:
    """Return what is to be said of a unit; empty if there is nothing beyond its result."""
    return _SENTENCES[unit.why](unit.values[0] if unit.values else "") if unit.why else unit.detail
