"""Looks at the services: which run replaced files, what helps each, and which did not survive their restart."""

from collections.abc import Collection, Mapping

from agent.core.frozen import replace
from agent.core.model.facts import Unseen
from agent.core.reboot.services import ServiceScan
from agent.core.restart.model import FailedRestart, LeftWhy, RestartUnit, SystemdUnit
from agent.core.restart.never import never_restarted
from agent.core.restart.plan import plan_restarts
from agent.core.restart.verdict import still_failed
from agent.errors import HostError
from agent.state.restart_record import recorded_failures
from agent.worker.context import JobContext

_INACTIVE = "inactive"


def observe_services(context: JobContext, failed: Collection[str] = ()) -> ServiceScan:
    """Return the services as they are now; `failed` are those whose restart just failed, beside those on record.

    Units of which systemd does not answer have no entry in `restarts`, unless their name is enough.
    """
    scan = context.machine.scan_services()
    replaced = () if isinstance(scan.replaced, Unseen) else scan.replaced
    try:
        restarts = planned_restarts(context, scan, replaced)[1]
    except HostError:
        by_name = [name for name in replaced if never_restarted(name, _never(context)) is not None]
        restarts = planned_restarts(context, scan, by_name)[1]
    watched = {**recorded_failures(context.record.store), **dict.fromkeys(failed, _INACTIVE)}
    return replace(scan, restarts=restarts, failed_restarts=_still_failed(context, watched))


def planned_restarts(
    context: JobContext, scan: ServiceScan, replaced: Collection[str]
) -> tuple[Mapping[str, SystemdUnit], tuple[RestartUnit, ...]]:
    """Return the units as systemd has them, and what `restart-services` does with each of those that run old files.

    Raises:
        HostError: systemd does not answer.
    """
    never = _never(context)
    names = [name for name in replaced if never_restarted(name, never) is None]
    units = context.services.units(names) if names else {}
    users = dict(scan.users)
    return units, tuple(_with_user(one, users) for one in plan_restarts(replaced, units, never))


def _never(context: JobContext) -> tuple[str, ...]:
    return context.policy.services.never_restart


def _with_user(unit: RestartUnit, users: Mapping[str, str]) -> RestartUnit:
    name = users.get(unit.unit)
    return replace(unit, values=(name,)) if name and unit.why is LeftWhy.SESSION else unit


def _still_failed(context: JobContext, states: Mapping[str, str]) -> tuple[FailedRestart, ...]:
    """Return which of some services are not well yet; `states` is the ActiveState of each before."""
    names = sorted(states)
    if not names:
        return ()
    try:
        seen: Mapping[str, SystemdUnit | None] = context.services.units(names)
    except HostError:
        seen = dict.fromkeys(names)
    gone = SystemdUnit(name="", load_state="not-found")
    found = (still_failed(one, seen.get(one, gone), was_inactive=states[one] in ("", _INACTIVE)) for one in names)
    return tuple(one for one in found if one is not None)
