"""The plan of an upgrade of Docker, by the ids of its cases."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.core.docker.packages import DockerOptions, PackagePorts
from agent.core.docker.plan import plan_docker
from agent.core.engine_ports import Offer, Simulation
from agent.core.manifest import Manifest
from agent.core.model.docker import DaemonConfig, DockerFacts, Flavour, RuntimePackage, SwarmState
from agent.core.model.engine_plan import EnginePlan, EngineStep, EngineWarning, EngineWhy, Fate, PackageChange
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, WeaveFacts, WeaveKind
from agent.core.policy.distro import Distro
from tests.core.docker.given_docker import ENGINE, NEW, OLD, UNIT, container, docker
from tests.core.given import NOW

_DISTRO = Distro(id="debian", codename="bookworm", version="12")
_WEAVE = WeaveFacts(kind=WeaveKind.SCRIPT, container_state="running", image="weaveworks/weave:2.8.1")
_INSTALLED = RuntimePackage(package="docker.io", version=OLD)


def before(*containers: Any, **fields: Any) -> DockerFacts:
    given = {"packages": (_INSTALLED,), "engine": ENGINE_OLD, **fields}
    return docker(*containers, **given)


def changed(one: Any, **fields: Any) -> Any:
    return type(one)(**{name: getattr(one, name) for name in one.__slots__} | fields)


ENGINE_OLD = changed(ENGINE, version="20.10.24+dfsg1")


def plan(
    facts: DockerFacts,
    *,
    wanted: str | None = "26.1.5",
    weave: WeaveFacts = NO_WEAVE,
    weave_wanted: str | None = None,
    removes: tuple[str, ...] = (),
    problem: str = "",
    **options: Any,
) -> EnginePlan:
    def simulate(targets: Mapping[str, str]) -> Simulation:
        changes = [PackageChange(package=p, before=facts.version_of(p), after=v) for p, v in targets.items()]
        gone = [PackageChange(package=name, before="1", after=None) for name in removes]
        return Simulation(changes=(*changes, *gone), problem=problem)

    def offers(package: str) -> tuple[Offer, ...]:
        known = {"docker.io": (NEW, OLD), "docker-cli": (NEW,), "docker-ce": ("5:27.3.1-1~debian.12~bookworm",)}
        return tuple(Offer(package=package, version=one, site="") for one in known.get(package, ()))

    ports = PackagePorts(offers=offers, simulate=simulate)
    manifest = Manifest(docker_version=wanted, weave_version=weave_wanted)
    return plan_docker(facts, weave, manifest, ports, DockerOptions(distro=_DISTRO, **options), NOW)


def test_D1_engine_and_client_are_named_with_the_exact_version() -> None:  # noqa: N802 - the case's id
    found = plan(before(container()))

    assert {(one.package, one.after) for one in found.packages} == {("docker.io", NEW), ("docker-cli", NEW)}
    assert (found.candidate, found.restart_needed, found.blocked) == ("26.1.5", True, ())
    assert found.containers[0].will is Fate.RESTARTS


def test_D7_engine_as_wanted_is_left_alone() -> None:  # noqa: N802 - the case's id
    assert plan(docker(container())).nothing_to_do


def test_D8_older_running_engine_is_only_restarted() -> None:  # noqa: N802 - the case's id
    found = plan(docker(container(), engine=ENGINE_OLD), wanted=None)

    assert (found.packages, found.restart_needed, found.restart_pending) == ((), True, True)


@pytest.mark.parametrize(
    ("facts", "asked", "why"),
    [
        pytest.param(before(), {"wanted": "24.0.9"}, EngineWhy.VERSION_UNAVAILABLE, id="D2"),
        pytest.param(docker(), {"wanted": "20.10.24"}, EngineWhy.DOWNGRADE_REFUSED, id="D10"),
        pytest.param(docker(), {"wanted": "20.10.24", "allow_downgrade": True}, EngineWhy.DOWNGRADE_REFUSED, id="D11"),
        pytest.param(before(packages=(changed(_INSTALLED, on_hold=True),)), {}, EngineWhy.HELD_BY_ADMIN, id="D12"),
        pytest.param(before(), {"removes": ("nginx",)}, EngineWhy.WOULD_REMOVE, id="D14"),
        pytest.param(before(), {"problem": "libc6"}, EngineWhy.BROKEN_DEPENDENCY, id="unmet-dependency"),
        pytest.param(docker(flavour=Flavour.SNAP), {}, EngineWhy.UNSUPPORTED_FLAVOUR, id="D21"),
        pytest.param(docker(flavour=Flavour.PODMAN), {}, EngineWhy.UNSUPPORTED_FLAVOUR, id="D22"),
        pytest.param(before(), {"wanted": "27.3.1"}, EngineWhy.FLAVOUR_MISMATCH, id="D23"),
        pytest.param(docker(flavour=Flavour.SEVERAL), {}, EngineWhy.UNSUPPORTED_FLAVOUR, id="D24"),
        pytest.param(docker(flavour=Flavour.ROOTLESS), {}, EngineWhy.UNSUPPORTED_FLAVOUR, id="D25"),
        pytest.param(
            before(engine=Unseen(reason="timeout"), containers=Unseen(reason="timeout")),
            {},
            EngineWhy.UNRESPONSIVE,
            id="D30",
        ),
        pytest.param(before(config=DaemonConfig(present=True, problem="x")), {}, EngineWhy.CONFIG_INVALID, id="D49"),
        pytest.param(before(packages=(changed(_INSTALLED, complete=False),)), {}, EngineWhy.DPKG_UNFINISHED, id="D53"),
        pytest.param(before(container(auto_remove=True)), {}, EngineWhy.REMOVES_CONTAINERS, id="D61"),
        pytest.param(before(engine=changed(ENGINE_OLD, swarm=SwarmState.ACTIVE)), {}, EngineWhy.SWARM, id="D70"),
        pytest.param(before(), {"weave": _WEAVE}, EngineWhy.API_TOO_NEW, id="B1"),
    ],
)
def test_upgrade_is_blocked(facts: DockerFacts, asked: dict[str, Any], why: EngineWhy) -> None:
    assert [one.why for one in plan(facts, **asked).blocked] == [why]


def test_B2_weave_is_first_where_its_wanted_version_opens_the_gate() -> None:  # noqa: N802 - the case's id
    found = plan(before(), weave=_WEAVE, weave_wanted="2.9.0")

    assert (found.order[0], found.blocked) == (EngineStep.UPGRADE_WEAVE_FIRST, ())


def test_D27_stopped_engine_stays_stopped() -> None:  # noqa: N802 - the case's id
    stopped = changed(UNIT, active_state="inactive", main_pid=None)

    found = plan(before(unit=stopped, engine=None, containers=None))

    assert (found.restart_needed, EngineStep.RESTART in found.order) == (False, False)
    assert [one.code for one in found.warnings] == [EngineWarning.UNIT_STOPPED]
