"""What makes a unit run current files, by the record of the last scan. Pure and light."""

from collections.abc import Iterable, Sequence

from agent.report.layout import Line, Tone
from agent.state.restart_view import NeededRestartView

COMMAND = "`maestro-agent restart-services`"
_SUFFIX = ".service"


def restart_advice(unit: str, needed: NeededRestartView | None) -> str:
    """Return a unit or program with what helps it: "ssh" for `restart-services`, else "dbus (reboot)".

    `needed` None: it is not known what helps.
    """
    name = "systemd" if unit == "init.scope" else unit.removesuffix(_SUFFIX).removesuffix(".scope")
    return f"{name} ({needed.remedy})" if needed is not None and needed.remedy else name


def restart_summary(needed: Iterable[NeededRestartView | None]) -> str:
    """Return the command for those units that it restarts; empty if it restarts none of them."""
    units = list(needed)
    if None in units:
        return f"{COMMAND} restarts services"
    count = sum(one is not None and one.action != "none" for one in units)
    if not count:
        return ""
    return f"run {COMMAND}" if count == len(units) else f"{COMMAND} restarts {count}"


def by_advice(units: Sequence[str], needed: dict[str, NeededRestartView]) -> list[str]:
    """Return each unit with what helps it: first those that `restart-services` restarts."""
    left = [unit for unit in units if unit in needed and needed[unit].action == "none"]
    return [restart_advice(unit, needed.get(unit)) for unit in (*(one for one in units if one not in left), *left)]


def restart_lines(units: Sequence[str], needed: dict[str, NeededRestartView]) -> list[str]:
    """Name the units that run replaced files after an upgrade, with what helps each; [] for none."""
    if not units:
        return []
    command = restart_summary(map(needed.get, units))
    advice = ", ".join(by_advice(units, needed))
    text = f"Restart needed ({len(units)} still run replaced files): {advice}{f'; {command}' if command else ''}"
    return [Line(text, hang=2, tone=Tone.ATTENTION)]


def past_restart_lines(units: Sequence[str]) -> list[str]:
    """Name the units that ran replaced files at the end of a past run; [] for none. `status` has those of now."""
    if not units:
        return []
    names = ", ".join(restart_advice(unit, None) for unit in units)
    return [Line(f"Restart needed after this run ({len(units)} ran replaced files): {names}", hang=2)]
