"""The command that makes a unit run current files. Pure and light."""

import re
from collections.abc import Sequence

from agent.core.restart_commands import NEEDS_REBOOT, restart_command
from agent.report.layout import Line, Tone

_OF_USER = re.compile(r"user@([0-9]+)\.service")
_SUFFIX = ".service"


def restart_advice(unit: str, user_name: str = "") -> str:
    """Return a unit or program with what restarts it: "ssh (`systemctl restart ssh`)".

    `user_name` is that of the user to whom a session or a user manager belongs; empty if unknown.
    """
    command = restart_command(unit)
    if command is not None:
        name = "systemd" if unit == "init.scope" else unit.removesuffix(_SUFFIX)
        return f"{name} (`{command}`)"
    if unit in NEEDS_REBOOT:
        return f"{unit.removesuffix(_SUFFIX)} (reboot)"
    user = _OF_USER.fullmatch(unit)
    if user:
        return f"the services of {user_name or f'user {user[1]}'} (`systemctl restart user@{user[1]}` ends them)"
    if unit.startswith("session-") and unit.endswith(".scope"):
        return f"{unit.removesuffix('.scope')} ({f'{user_name} has to log in again' if user_name else 'log out'})"
    return unit if "." in unit else f"{unit} (no unit: restart by hand)"


def restart_lines(units: Sequence[str], *, past: bool = False) -> list[str]:
    """Name the units that run replaced files after an upgrade, or did so at the end of a past one; [] for none."""
    if not units:
        return []
    advice = ", ".join(map(restart_advice, units))
    still = "ran" if past else "still run"
    start = f"Restart needed{' after this run' if past else ''} ({len(units)} {still} replaced files)"
    if past:
        return [Line(f"{start}: {advice}", hang=2)]
    one_pass = "; `maestro-agent restart-services` restarts the services" if any(map(restart_command, units)) else ""
    return [Line(f"{start}: {advice}{one_pass}", hang=2, tone=Tone.ATTENTION)]
