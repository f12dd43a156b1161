"""Fixes of the container runtime that `upgrade` holds back: what installs each, at what cost. Pure.

Sources: docker-behaviour D1 to D3. A new containerd or runc costs no downtime: containerd's postinst restarts it under
the running engine, containers keep their processes; runc is read from its file at each use. The postinst of docker-ce
restarts the engine; that of docker.io does not, `docker upgrade` does.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from agent.core.docker.observed import ENGINE_PACKAGES
from agent.core.docker.packages import RESTARTS_ENGINE
from agent.core.model.engine_plan import Downtime, EnginePlan, FixRoute, HeldFix
from agent.core.model.plan import Held
from agent.core.model.reasons import ReasonCode

_OF_ENGINE = {*ENGINE_PACKAGES, "docker-cli", "docker-ce-cli", "docker-ce-rootless-extras"}
"""Packages that a version of the manifest moves."""
_NONE = Downtime(low_s=0, high_s=0, basis=())


def held_fixes(plan: EnginePlan, held: Sequence[Held], before: Iterable[HeldFix], now: datetime) -> tuple[HeldFix, ...]:
    """Return the held fixes that only the configuration holds back; `before` are those of the last check.

    A fix that a newer version replaces waits since the first one.
    """
    waiting = {one.package: one.since for one in before}
    updates = [one for one in held if one.cause.code is ReasonCode.CONTAINER_RUNTIME]
    restarts = any(one.package == RESTARTS_ENGINE for one in updates)
    found = []
    for one in updates:
        route, downtime = _route(one, plan, restarts=restarts)
        since = waiting.get(one.package, now)
        fix = HeldFix(package=one.package, version=one.candidate, since=since, route=route, downtime=downtime)
        found.append(fix)
    return tuple(found)


def _route(update: Held, plan: EnginePlan, *, restarts: bool) -> tuple[FixRoute, Downtime | None]:
    if any((one.package, one.after) == (update.package, update.candidate) for one in plan.packages):
        return FixRoute.DOCKER_UPGRADE, plan.downtime if plan.restart_needed or plan.downtime else _NONE
    if update.package in _OF_ENGINE:
        return FixRoute.MANIFEST, plan.restart
    return FixRoute.UPGRADE, plan.restart if restarts else _NONE
