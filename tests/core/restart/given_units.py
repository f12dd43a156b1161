"""Units of a small server."""

from dataclasses import replace
from typing import Any

from agent.core.restart.model import RestartUnit, SystemdUnit


def unit(name: str, **changes: Any) -> SystemdUnit:
    """Return a running service without anything unusual."""
    usual = SystemdUnit(
        name=name,
        service_type="simple" if name.endswith(".service") else "",
        main_pid=100,
        main_outdated=True,
        start_limit_s=10.0,
        started_at_s=0.0,
        invocation_id="before",
        stop_limit_s=90.0,
        begin_limit_s=90.0,
    )
    return replace(usual, **changes)


def by_name(*units: SystemdUnit) -> dict[str, SystemdUnit]:
    """Return units as the adapter does."""
    return {one.name: one for one in units}


def brief(units: tuple[RestartUnit, ...]) -> dict[str, object]:
    """Return what is done with each unit: the action, or why it is left."""
    return {one.unit: one.why.value if one.why else one.action.value for one in units}
