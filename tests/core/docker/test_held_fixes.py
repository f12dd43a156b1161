"""A fix of the container runtime that `upgrade` holds back: what installs it, the cost, since when it waits."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.core.docker.held_fixes import held_fixes
from agent.core.model.engine_plan import Component, Downtime, EnginePlan, FixRoute, HeldFix, PackageChange
from agent.core.model.plan import Held, Why
from agent.core.model.reasons import Reason, ReasonCode
from tests.core import given
from tests.core.docker.given_docker import NEW, OLD

_CAUSE = Reason(code=ReasonCode.CONTAINER_RUNTIME)
_UPGRADE = Downtime(low_s=0.5, high_s=9.0, basis=())
_RESTART = Downtime(low_s=0.5, high_s=6.0, basis=())
_EARLIER = given.NOW - timedelta(days=3)


def plan(**fields: Any) -> EnginePlan:
    seen = EnginePlan(
        component=Component.DOCKER,
        seen_at=given.NOW,
        flavour="docker-io",
        installed="20.10.24",
        running="20.10.24",
        restart=_RESTART,
    )
    return replace(seen, **fields)


def held(package: str, candidate: str = NEW, cause: Reason = _CAUSE) -> Held:
    return replace(given.held(package, Why.RUNTIME_MANAGED), installed=OLD, candidate=candidate, cause=cause)


_IN_PLAN = plan(packages=(PackageChange(package="docker.io", before=OLD, after=NEW),), downtime=_UPGRADE)


@pytest.mark.parametrize(
    ("engine", "updates", "expected"),
    [
        pytest.param(_IN_PLAN, ("docker.io",), [(FixRoute.DOCKER_UPGRADE, _UPGRADE)], id="docker-upgrade"),
        pytest.param(plan(), ("docker.io",), [(FixRoute.MANIFEST, _RESTART)], id="no-manifest"),
        pytest.param(plan(restart=None), ("docker.io",), [(FixRoute.MANIFEST, None)], id="cost-unknown"),
        pytest.param(plan(), ("containerd",), [(FixRoute.UPGRADE, Downtime(low_s=0, high_s=0, basis=()))], id="D2"),
        pytest.param(plan(), ("runc",), [(FixRoute.UPGRADE, Downtime(low_s=0, high_s=0, basis=()))], id="D3"),
        pytest.param(
            plan(flavour="docker-ce"),
            ("containerd.io", "docker-ce"),
            [(FixRoute.UPGRADE, _RESTART), (FixRoute.MANIFEST, _RESTART)],
            id="docker-ce-restarts-in-its-postinst",
        ),
    ],
)
def test_route_and_cost(engine: EnginePlan, updates: tuple[str, ...], expected: list[Any]) -> None:
    found = held_fixes(engine, [held(name) for name in updates], (), given.NOW)

    assert [(one.route, one.downtime) for one in found] == expected
    assert {(one.version, one.since) for one in found} == {(NEW, given.NOW)}


@pytest.mark.parametrize(
    ("before", "since"),
    [
        pytest.param(("docker.io", NEW), _EARLIER, id="the-same"),
        pytest.param(("docker.io", "20.10.24+dfsg1-2"), _EARLIER, id="a-newer-version-of-a-waiting-fix"),
        pytest.param(("runc", NEW), given.NOW, id="of-another-package"),
    ],
)
def test_fix_waits_since_the_first_check_that_held_it(before: tuple[str, str], since: datetime) -> None:
    known = HeldFix(package=before[0], version=before[1], since=_EARLIER, route=FixRoute.MANIFEST)

    assert [one.since for one in held_fixes(plan(), [held("docker.io")], (known,), given.NOW)] == [since]


@pytest.mark.parametrize(
    "update",
    [
        held("docker.io", cause=Reason(code=ReasonCode.HELD_WITH_GROUP, values=("containerd", "held-by-admin"))),
        given.held("docker.io", Why.HELD_BY_ADMIN),
    ],
    ids=["with-its-group", "on-hold"],
)
def test_what_is_held_for_another_reason_has_no_route(update: Held) -> None:
    assert held_fixes(plan(), [update], (), given.NOW) == ()
