"""The sentence of a held fix of the container runtime, in plans and in `explain`."""

from dataclasses import replace

import pytest

from agent.core.model.engine_plan import Downtime, FixRoute, HeldFix
from agent.core.model.plan import Blocker, Why
from agent.core.model.reasons import Reason, ReasonCode
from agent.core.packages.explain import GateReport, GateVerdict
from agent.report.held_fixes import fix_wording, with_held_fixes
from agent.report.reasons import gate_texts
from tests.core import given

_COMMANDS = {
    FixRoute.DOCKER_UPGRADE: "`maestro-agent docker upgrade`",
    FixRoute.MANIFEST: "docker_version",
    FixRoute.UPGRADE: "security.include_runtime = true",
}
_CAUSE = Reason(code=ReasonCode.CONTAINER_RUNTIME)
_HELD = replace(given.held("docker.io", Why.RUNTIME_MANAGED), cause=_CAUSE)
_GATE = GateReport(
    name="runtime", verdict=GateVerdict.SHUT, reason=_CAUSE, why=Why.RUNTIME_MANAGED, opens=Why.RUNTIME_MANAGED
)


def fix(route: FixRoute, package: str = "docker.io") -> HeldFix:
    downtime = Downtime(low_s=3, high_s=12, basis=())
    return HeldFix(package=package, version="5:1.2.3-1", since=given.NOW, route=route, downtime=downtime)


@pytest.mark.parametrize("route", FixRoute)
def test_held_fix_names_the_command_the_cost_and_since_when(route: FixRoute) -> None:
    (found,) = with_held_fixes(given.plan(held=(_HELD,)), (fix(route),)).held

    assert _COMMANDS[route] in found.detail
    assert "3-12 s" in found.detail
    assert "2026-11-23" in found.detail


@pytest.mark.parametrize("route", FixRoute)
def test_explain_names_the_same_as_what_opens_the_gate(route: FixRoute) -> None:
    _, opens = fix_wording((fix(route),))(_GATE, "docker.io")

    assert opens is not None
    assert _COMMANDS[route] in opens
    assert "3-12 s" in opens


def test_an_update_that_needs_one_of_the_runtime_keeps_its_own_sentence() -> None:
    needs = replace(
        given.held("lib", Why.RUNTIME_MANAGED),
        cause=_CAUSE.after("the installed docker.io needs lib"),
        blocker=Blocker(package="docker.io", why=Why.RUNTIME_MANAGED),
    )
    plan = given.plan(held=(needs,))

    assert with_held_fixes(plan, (fix(FixRoute.UPGRADE, "lib"),)) == plan


def test_other_packages_and_gates_keep_their_sentences() -> None:
    plan = given.plan(held=(_HELD,))
    pinned = replace(_GATE, opens=Why.PINNED)

    assert with_held_fixes(plan, (fix(FixRoute.UPGRADE, "runc"),)) == plan
    assert fix_wording((fix(FixRoute.UPGRADE, "runc"),))(_GATE, "docker.io") == gate_texts(_GATE, "docker.io")
    assert fix_wording((fix(FixRoute.UPGRADE),))(pinned, "docker.io") == gate_texts(pinned, "docker.io")
