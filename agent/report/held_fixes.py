"""The sentence of a held fix of the container runtime: what installs it, the cost, and since when it waits. Pure."""

from collections.abc import Callable, Iterable, Mapping

from agent.core.docker.versions import upstream
from agent.core.frozen import replace
from agent.core.model.engine_plan import FixRoute, HeldFix
from agent.core.model.plan import Plan, Why
from agent.core.model.reasons import ReasonCode
from agent.core.packages.explain import GateReport
from agent.report.engine_text import seconds_range
from agent.report.reasons import gate_texts
from agent.state.timestamps import format_human

_ROUTES: Mapping[FixRoute, str] = {
    FixRoute.DOCKER_UPGRADE: "`maestro-agent docker upgrade` installs it",
    FixRoute.MANIFEST: 'put docker_version: "{version}" into the manifest, then `maestro-agent docker upgrade` '
    "installs it",
    FixRoute.UPGRADE: "with security.include_runtime = true `maestro-agent upgrade` installs it",
}
"""By route; `{version}` is the upstream version."""


def with_held_fixes(plan: Plan, fixes: Iterable[HeldFix]) -> Plan:
    """Return the plan with the command of each held fix in its sentence; not of those that only need one."""
    known = {one.package: one for one in fixes}
    return replace(
        plan,
        held=tuple(
            replace(one, detail=f"belongs to the container runtime: {_text(known[one.package])}")
            if one.cause.code is ReasonCode.CONTAINER_RUNTIME and one.blocker is None and one.package in known
            else one
            for one in plan.held
        ),
    )


def fix_wording(fixes: Iterable[HeldFix]) -> Callable[[GateReport, str], tuple[str, str | None]]:
    """Return `gate_texts` with what opens the gate of these fixes."""
    known = {one.package: one for one in fixes}

    def wording(gate: GateReport, package: str) -> tuple[str, str | None]:
        reason, opens = gate_texts(gate, package)
        fix = known.get(gate.opens_for or package.partition(":")[0])
        return reason, _text(fix) if fix and gate.opens is Why.RUNTIME_MANAGED else opens

    return wording


def _text(fix: HeldFix) -> str:
    downtime = fix.downtime
    cost = seconds_range((downtime.low_s, downtime.high_s) if downtime else None)
    route = _ROUTES[fix.route].format(version=upstream(fix.version))
    return f"{route}; expected downtime of the engine: {cost}; waiting since {format_human(fix.since)}"
