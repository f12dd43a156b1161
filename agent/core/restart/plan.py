"""Which of the units that run replaced files are restarted, and in which order. Pure.

Three rules go beyond needrestart, which decides by name alone:

- A unit that ends by itself is left alone: a oneshot, a job that a timer started, a transient unit, a connection of a
  socket with Accept=yes. A restart would end the work half-way or repeat it; its next start runs current files.
- A unit whose stop leaves its other processes alone (KillMode=process) is judged by its main process: containerd's
  shims run old files until their containers end, and no restart of containerd changes that.
- systemd restarts units with others that require them. A unit is left alone if that would reach one that may not be
  restarted: `containerd.service`, where `docker.service` is bound to it.
"""

from collections.abc import Collection, Iterator, Mapping

from agent.core.restart.model import MANAGER_UNIT, LeftWhy, RestartAction, RestartUnit, SystemdUnit, UnitResult
from agent.core.restart.never import NeverRestarted, never_restarted

MAX_FAILURES = 2
"""After so many failed units the run ends: the new files may be broken, and each restart would stop another service."""
_FORBIDS = frozenset(
    {
        *(LeftWhy.NEEDS_REBOOT, LeftWhy.NEVER_RESTARTED, LeftWhy.CONFIGURED, LeftWhy.AGENT, LeftWhy.SESSION),
        LeftWhy.ENDS_BY_ITSELF,
    }
)
"""Reasons for which a unit may not be restarted with another one, either."""


def plan_restarts(
    outdated: Collection[str], units: Mapping[str, SystemdUnit], never: Collection[str] = ()
) -> tuple[RestartUnit, ...]:
    """Return what is to be done with each unit: first those to restart, in their order, then those that are left.

    `units` are the outdated ones and all that systemd restarts with them; `never` is `services.never_restart`.
    """
    planned = [_plan(name, units, never) for name in sorted(set(outdated))]
    order = {name: place for place, name in enumerate(_ordered([one.unit for one in planned], units))}
    return tuple(sorted(planned, key=lambda one: (one.result is UnitResult.LEFT, order[one.unit])))


def why_left(unit: SystemdUnit, never: Collection[str] = ()) -> NeverRestarted | None:
    """Return why one unit is not restarted, without regard to those that restart with it; None if it may be."""
    if (found := never_restarted(unit.name, never)) or unit.name == MANAGER_UNIT:
        return found
    ends = _how_it_ends(unit)
    rules = (
        (unit.load_state == "masked", LeftWhy.MASKED, ()),
        (unit.load_state != "loaded", LeftWhy.UNIT_GONE, ()),
        (not unit.restartable, LeftWhy.REFUSES_RESTART, ()),
        (bool(ends), LeftWhy.ENDS_BY_ITSELF, (ends,)),
        (unit.active_state != "active", LeftWhy.NOT_ACTIVE, (unit.active_state,)),
        (unit.keeps_processes and unit.main_outdated is False, LeftWhy.OTHER_PROCESSES, ()),
    )
    return next((NeverRestarted(why=why, values=values) for applies, why, values in rules if applies), None)


def with_dependents(name: str, units: Mapping[str, SystemdUnit]) -> tuple[str, ...]:
    """Return the running units that systemd restarts with this one, sorted, itself not among them."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        unit = units.get(waiting.pop())
        new = {other for other in unit.restarts_with if other in units and units[other].is_up} if unit else set()
        waiting += new - found
        found |= new
    return tuple(sorted(found - {name}))


def left(unit: RestartUnit, why: LeftWhy, *values: str) -> RestartUnit:
    """Return a unit of a plan that is not restarted after all."""
    return RestartUnit(unit=unit.unit, action=RestartAction.NONE, result=UnitResult.LEFT, why=why, values=values)


def _plan(name: str, units: Mapping[str, SystemdUnit], never: Collection[str]) -> RestartUnit:
    action = RestartAction.REEXEC if name == MANAGER_UNIT else RestartAction.RESTART
    planned = RestartUnit(unit=name, action=action, result=UnitResult.PLANNED)
    reason = why_left(units.get(name, SystemdUnit(name=name, load_state="not-found")), never)
    if reason is not None:
        return left(planned, reason.why, *reason.values)
    if name == MANAGER_UNIT:
        return planned
    others = with_dependents(name, units)
    spared = next((other for other in others if _may_not_restart(units[other], never)), None)
    if spared is not None:
        return left(planned, LeftWhy.RESTARTS_OTHERS, spared)
    return RestartUnit(unit=name, action=action, result=UnitResult.PLANNED, restarts_with=others)


def _may_not_restart(unit: SystemdUnit, never: Collection[str]) -> bool:
    """Whether a unit forbids the restart of those that it requires.

    A oneshot that is done does not: journald could never be restarted, for `systemd-journal-flush.service` requires it.
    """
    reason = why_left(unit, never)
    return reason is not None and reason.why in _FORBIDS and (unit.active_state, unit.sub_state) != ("active", "exited")


def _how_it_ends(unit: SystemdUnit) -> str:
    if unit.service_type == "oneshot":
        return "oneshot"
    if unit.transient:
        return "transient"
    if unit.connection:
        return "connection"
    return next((trigger for trigger in unit.triggered_by if trigger.endswith(".timer")), "")


def _ordered(names: Collection[str], units: Mapping[str, SystemdUnit]) -> Iterator[str]:
    """Yield the names so that each follows those of them that its `After=` names; systemd itself is the last.

    A loop, which systemd breaks at its start as it likes, is broken at the first name.
    """
    services = set(names) - {MANAGER_UNIT}
    waiting = {name: set(units[name].after) & services - {name} if name in units else set() for name in services}
    while waiting:
        ready = sorted(name for name, others in waiting.items() if not others.intersection(waiting))
        for name in ready or sorted(waiting)[:1]:
            del waiting[name]
            yield name
    if MANAGER_UNIT in names:
        yield MANAGER_UNIT
