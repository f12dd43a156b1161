"""The plan of an upgrade of Docker, by the ids of its cases (docs/docker-cases.md)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from agent.core.docker.packages import DockerOptions, PackagePorts
from agent.core.docker.plan import plan_docker
from agent.core.engine_ports import Offer, Simulation
from agent.core.manifest import Manifest
from agent.core.model.docker import (
    NO_DOCKER,
    NO_STOP_LIMIT_S,
    DaemonConfig,
    DockerFacts,
    Flavour,
    RestartPolicy,
    RuntimePackage,
    SwarmState,
    WeaveAttachment,
)
from agent.core.model.engine_plan import EnginePlan, EngineStep, EngineWarning, EngineWhy, Fate, PackageChange
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, Vendor, WeaveFacts, WeaveKind
from agent.core.policy.distro import Distro
from tests.core.docker.given_docker import ENGINE, LIVE_RESTORE, NEW, OLD, OLD_ENGINE, UNIT, container, docker

_DISTRO = Distro(id="debian", codename="bookworm", version="12")
KEEPS = {"engine": replace(OLD_ENGINE, live_restore=True), "config": LIVE_RESTORE}
_NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
_FIX = "26.1.4+dfsg1-9"
_CE_NEWER, _CE_ENDED, _CE_KEPT = (f"5:{one}-1~debian.12~bookworm" for one in ("27.3.1", "24.0.9", "29.1.0"))
_OFFERED = {
    "docker.io": (NEW, _FIX, OLD),
    "docker-cli": (NEW, _FIX),
    "docker-ce": (_CE_KEPT, _CE_NEWER, _CE_ENDED),
    "docker-ce-cli": (_CE_KEPT, _CE_NEWER, _CE_ENDED),
}
_INSTALLED = RuntimePackage(package="docker.io", version=OLD)
_CONTAINERD = RuntimePackage(package="containerd", version="1.6.20~ds1-1")
_ON_WEAVE = container("on-weave", weave=WeaveAttachment.NETWORK)
_TIMEOUT = Unseen(reason="timeout")
_ORIGINAL = WeaveFacts(
    kind=WeaveKind.SCRIPT, container_state="running", image="weaveworks/weave:2.8.1", vendor=Vendor.WEAVEWORKS
)
_FORK = replace(_ORIGINAL, image="rajchaudhuri/weave:2.8.2", vendor=Vendor.RAJCHAUDHURI)


def before(*containers: Any, **fields: Any) -> DockerFacts:
    """Return Docker 20.10.24, which runs."""
    given = {"packages": (_INSTALLED,), "engine": OLD_ENGINE, **fields}
    return docker(*containers, **given)


def docker_ce(version: str = _CE_NEWER) -> DockerFacts:
    """Return the packages of Docker Inc., which run."""
    names = ("docker-ce", "docker-ce-cli")
    engine = replace(ENGINE, version=version.partition(":")[2].partition("-")[0])
    packages = tuple(RuntimePackage(package=name, version=version) for name in names)
    return docker(flavour=Flavour.DOCKER_CE, packages=packages, engine=engine)


def _changed(package: str, old: str | None, new: str) -> PackageChange:
    return PackageChange(package=package, before=old, after=new)


def plan(
    facts: DockerFacts,
    *,
    wanted: str | None = "26.1.5",
    weave: WeaveFacts = NO_WEAVE,
    weave_wanted: str | None = None,
    removes: tuple[str, ...] = (),
    also: tuple[PackageChange, ...] = (),
    problem: str = "",
    pinned: Collection[str] = (),
    **options: Any,
) -> EnginePlan:
    def simulate(targets: Mapping[str, str], held: Collection[str]) -> Simulation:
        del held
        changes = [PackageChange(package=p, before=facts.version_of(p), after=v) for p, v in targets.items()]
        gone = [PackageChange(package=name, before="1", after=None) for name in removes]
        return Simulation(changes=(*changes, *gone, *also), problem=problem)

    def offers(package: str) -> tuple[Offer, ...]:
        return tuple(
            Offer(package=package, version=one, site="", priority=-1 if package in pinned else 500)
            for one in _OFFERED.get(package, ())
        )

    ports = PackagePorts(offers=offers, simulate=simulate)
    manifest = Manifest(docker_version=wanted, weave_version=weave_wanted)
    return plan_docker(facts, weave, manifest, ports, DockerOptions(distro=_DISTRO, **options), _NOW)


def test_D1_engine_and_client_are_named_with_the_exact_version() -> None:  # noqa: N802 - the case's id
    found = plan(before(container()))

    assert {(one.package, one.after) for one in found.packages} == {("docker.io", NEW), ("docker-cli", NEW)}
    assert (found.candidate, found.restart_needed, found.blocked) == ("26.1.5", True, ())
    assert found.containers[0].will is Fate.RESTARTS


@pytest.mark.parametrize(
    "wanted", ["26.1.5", "v26.1.5", "26.1", "26.x", "latest"], ids=["exact", "v", "line", "x", "latest"]
)
def test_D7_engine_as_wanted_is_left_alone(wanted: str) -> None:  # noqa: N802 - the case's id
    assert plan(docker(container()), wanted=wanted).nothing_to_do


def test_client_that_the_preferences_exclude_is_not_named() -> None:
    assert [one.package for one in plan(before(), pinned={"docker-cli"}).packages] == ["docker.io"]


def test_D8_older_running_engine_is_only_restarted() -> None:  # noqa: N802 - the case's id
    found = plan(docker(container(), engine=OLD_ENGINE), wanted=None)

    assert (found.packages, found.restart_needed, found.restart_pending) == ((), True, True)
    assert EngineStep.INSTALL not in found.order


@pytest.mark.parametrize(
    ("facts", "asked", "why", "values"),
    [
        pytest.param(
            before(), {"wanted": "24.0.8"}, EngineWhy.VERSION_UNAVAILABLE, ("24.0.8", "26.1.5", "26.1.4", "20.10.24"),
            id="D2",
        ),
        pytest.param(
            docker(), {"wanted": "26.1.4"}, EngineWhy.DOWNGRADE_REFUSED, ("26.1.5", "26.1.4", "--allow-downgrade"),
            id="D10",
        ),
        pytest.param(
            docker(), {"wanted": "20.10.24", "allow_downgrade": True}, EngineWhy.DOWNGRADE_REFUSED,
            ("26.1.5", "20.10.24", "--allow-major-downgrade"), id="D11-major",
        ),
        pytest.param(
            docker(engine=replace(ENGINE, containerd_store=True)), {"wanted": "26.1.4", "allow_downgrade": True},
            EngineWhy.DOWNGRADE_REFUSED, ("26.1.5", "26.1.4", "--allow-major-downgrade"), id="D11-image-store",
        ),
        pytest.param(
            before(), {"wanted": "26.1.5", "pinned": {"docker.io"}}, EngineWhy.PINNED, ("26.1.5", f"docker.io {NEW}"),
            id="pinned",
        ),
        pytest.param(before(**KEEPS), {"wanted": "latest", "pinned": {"docker.io"}}, None, (), id="pinned-as-it-is"),
        pytest.param(
            before(packages=(replace(_INSTALLED, on_hold=True),)), {}, EngineWhy.HELD_BY_ADMIN, ("docker.io",), id="D12"
        ),
        pytest.param(
            before(packages=(_INSTALLED, replace(_CONTAINERD, on_hold=True))),
            {"problem": "containerd is on hold", "change_held": True},
            EngineWhy.HELD_BY_ADMIN, ("containerd",), id="D12-containerd",
        ),
        pytest.param(before(), {"removes": ("nginx",)}, EngineWhy.WOULD_REMOVE, ("nginx",), id="D14"),
        pytest.param(
            before(), {"removes": ("runc", "docker-cli", "docker-compose-v2")}, EngineWhy.WOULD_REMOVE,
            ("docker-compose-v2", "runc"), id="D14-of-the-runtime",
        ),
        pytest.param(
            before(packages=(_INSTALLED, replace(_CONTAINERD, package="runc"))),
            {"also": (_changed("libc6", "2.36", "2.43"), _changed("runc", "1", "2"), _changed("new", None, "1"))},
            EngineWhy.WOULD_CHANGE, ("libc6 2.36 -> 2.43",), id="D14-another-version",
        ),
        pytest.param(before(), {"problem": "libc6"}, EngineWhy.BROKEN_DEPENDENCY, ("libc6",), id="unmet-dependency"),
        pytest.param(NO_DOCKER, {}, EngineWhy.UNSUPPORTED_FLAVOUR, ("none",), id="D20"),
        pytest.param(docker(flavour=Flavour.SNAP), {}, EngineWhy.UNSUPPORTED_FLAVOUR, ("snap",), id="D21"),
        pytest.param(docker(flavour=Flavour.PODMAN), {}, EngineWhy.UNSUPPORTED_FLAVOUR, ("podman",), id="D22"),
        pytest.param(
            before(), {"wanted": "27.3.1"}, EngineWhy.FLAVOUR_MISMATCH, ("27.3.1", "docker.io", "docker-ce"), id="D23"
        ),
        pytest.param(
            docker_ce(), {"wanted": "20.10.24"}, EngineWhy.FLAVOUR_MISMATCH, ("20.10.24", "docker-ce", "docker.io"),
            id="D23-docker-ce",
        ),
        pytest.param(
            docker(flavour=Flavour.SEVERAL, found=(Flavour.SNAP, Flavour.DOCKER_IO)), {},
            EngineWhy.UNSUPPORTED_FLAVOUR, ("several", "snap", "docker-io"), id="D24",
        ),
        pytest.param(docker(flavour=Flavour.ROOTLESS), {}, EngineWhy.UNSUPPORTED_FLAVOUR, ("rootless",), id="D25"),
        pytest.param(docker(flavour=Flavour.STATIC), {}, EngineWhy.UNSUPPORTED_FLAVOUR, ("static",), id="static"),
        pytest.param(
            before(engine=_TIMEOUT, containers=_TIMEOUT), {}, EngineWhy.UNRESPONSIVE, ("timeout",), id="D30"
        ),
        pytest.param(before(unit=_TIMEOUT), {}, EngineWhy.UNRESPONSIVE, ("timeout",), id="D30-systemd"),
        pytest.param(
            before(config=DaemonConfig(present=True, problem="line 1")), {}, EngineWhy.CONFIG_INVALID,
            ("/etc/docker/daemon.json: line 1",),
            id="D49",
        ),
        pytest.param(
            before(config=Unseen(reason="/etc/docker/daemon.json: Input/output error")), {},
            EngineWhy.CONFIG_UNREADABLE, ("/etc/docker/daemon.json: Input/output error",), id="D49-unreadable",
        ),
        pytest.param(
            before(packages=(replace(_INSTALLED, complete=False),)), {}, EngineWhy.DPKG_UNFINISHED, ("docker.io",),
            id="D53",
        ),
        pytest.param(
            before(container("once", auto_remove=True)), {}, EngineWhy.REMOVES_CONTAINERS, ("once",), id="D61"
        ),
        pytest.param(
            before(**KEEPS), {"wanted": None}, None, (), id="D7-no-manifest"
        ),
        *(
            pytest.param(
                before(engine=replace(OLD_ENGINE, swarm=one)), {}, EngineWhy.SWARM, (one.value,), id=f"D70-{one.value}"
            )
            for one in SwarmState
            if one is not SwarmState.INACTIVE
        ),
        *(
            pytest.param(
                before(
                    container(handles_stop=False, stop_timeout_s=NO_STOP_LIMIT_S),
                    unit=replace(UNIT, stop_timeout_s=limit_s),
                ),
                {}, EngineWhy.SLOW_STOP, ("web",), id=f"a-stop-without-limit-in-a-unit-of-{limit_s}",
            )
            for limit_s in (90.0, None)
        ),
        pytest.param(
            before(), {"weave": _ORIGINAL}, EngineWhy.API_TOO_NEW, ("26.1.5", "1.24", "2.8.1", "1.18", "upgrade-weave"),
            id="B1",
        ),
        pytest.param(
            before(), {"weave": _ORIGINAL, "weave_wanted": "latest"}, EngineWhy.API_TOO_NEW,
            ("26.1.5", "1.24", "2.8.1", "1.18", "upgrade-weave"), id="B1-the-archived-vendors-latest-is-as-old",
        ),
        pytest.param(
            before(), {"weave": _ORIGINAL, "weave_wanted": "2.9.0"}, EngineWhy.API_TOO_NEW,
            ("26.1.5", "1.24", "2.8.1", "1.18", "upgrade-weave"), id="B1-the-agent-changes-no-vendor",
        ),
        pytest.param(
            docker_ce(), {"wanted": "29.1.0", "weave": replace(_FORK, image="rajchaudhuri/weave:2.9.0")},
            EngineWhy.API_TOO_NEW, ("29.1.0", "1.44", "2.9.0", "1.24", "set-min-api"), id="B3",
        ),
    ],
)  # fmt: skip
def test_upgrade_is_blocked(
    facts: DockerFacts, asked: dict[str, Any], why: EngineWhy | None, values: tuple[str, ...]
) -> None:
    expected = [] if why is None else [(why, values)]

    assert [(one.why, one.values) for one in plan(facts, **asked).blocked] == expected


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        pytest.param(docker(), {"wanted": "26.1.4", "allow_downgrade": True}, id="D10"),
        pytest.param(docker(), {"wanted": "20.10.24", "allow_major_downgrade": True}, id="D11-major"),
        pytest.param(
            docker(engine=replace(ENGINE, containerd_store=True)),
            {"wanted": "26.1.4", "allow_major_downgrade": True},
            id="D11-image-store",
        ),
        pytest.param(before(packages=(_INSTALLED, replace(_CONTAINERD, on_hold=True))), {}, id="D12-untouched"),
        pytest.param(
            before(packages=(replace(_INSTALLED, on_hold=True),)), {"change_held": True}, id="D12-change-held"
        ),
        pytest.param(before(), {"removes": ("docker-cli",)}, id="D14-the-older-engine-has-the-client"),
        pytest.param(before(container(auto_remove=True)), {"remove_containers": True}, id="D61"),
        pytest.param(
            docker_ce(),
            {"wanted": "29.1.0", "weave": replace(_FORK, image="rajchaudhuri/weave:2.9.0", docker_api_version="1.44")},
            id="B3-variable",
        ),
    ],
)
def test_upgrade_is_allowed(facts: DockerFacts, asked: dict[str, Any]) -> None:
    found = plan(facts, **asked)

    assert (found.blocked, bool(found.packages)) == ((), True)


@pytest.mark.parametrize("wanted", ["2.9.0", "2.9", "latest"])
def test_B2_weave_is_first_where_its_wanted_version_opens_the_gate(wanted: str) -> None:  # noqa: N802 - the case's id
    found = plan(before(), weave=_FORK, weave_wanted=wanted)

    assert (found.order[0], found.blocked) == (EngineStep.UPGRADE_WEAVE_FIRST, ())


@pytest.mark.parametrize(
    ("facts", "asked", "code", "values"),
    [
        pytest.param(
            docker_ce(), {"wanted": "24.0.9", "allow_major_downgrade": True},
            EngineWarning.END_OF_LIFE, ("docker", "24.0.9", "2024-06-08"), id="D17-target",
        ),
        pytest.param(
            docker_ce(), {"wanted": "27.3.1"}, EngineWarning.END_OF_LIFE, ("docker", "27.3.1", "2025-05-03"),
            id="D17-as-wanted",
        ),
        pytest.param(
            docker_ce(), {"wanted": None}, EngineWarning.END_OF_LIFE, ("docker", "27.3.1", "2025-05-03"),
            id="D17-not-managed",
        ),
        pytest.param(docker_ce(), {"wanted": "29.1.0"}, EngineWarning.END_OF_LIFE, None, id="D17-kept-line"),
        pytest.param(before(), {}, EngineWarning.END_OF_LIFE, None, id="D17-a-distribution-keeps-its-own"),
        pytest.param(before(), {}, EngineWarning.API_GAP, ("1.24",), id="api-20.10-to-26"),
        pytest.param(
            docker(engine=OLD_ENGINE), {"wanted": None}, EngineWarning.API_GAP, ("1.24",), id="api-restart-alone"
        ),
        pytest.param(docker_ce(), {"wanted": "29.1.0"}, EngineWarning.API_GAP, ("1.44",), id="api-27-to-29"),
        pytest.param(
            replace(docker_ce(), config=DaemonConfig(present=True, min_api_version="1.24")), {"wanted": "29.1.0"},
            EngineWarning.API_GAP, None, id="api-configured",
        ),
        pytest.param(
            docker(), {"wanted": "20.10.24", "allow_major_downgrade": True}, EngineWarning.API_GAP, None, id="api-back"
        ),
        pytest.param(
            before(container(), _ON_WEAVE), {}, EngineWarning.WEAVE_NETWORK, ("1",), id="B5-weave-network"
        ),
        pytest.param(
            before(replace(_ON_WEAVE, state="exited")), {}, EngineWarning.WEAVE_NETWORK, None, id="B5-it-is-stopped"
        ),
        pytest.param(
            before(_ON_WEAVE, **KEEPS), {}, EngineWarning.WEAVE_NETWORK, None,
            id="B5-live-restore",
        ),
        pytest.param(
            docker(), {"wanted": "20.10.24", "allow_major_downgrade": True}, EngineWarning.MAJOR_DOWNGRADE,
            ("26.1.5", "20.10.24"), id="D11",
        ),
        pytest.param(
            before(container(policy=RestartPolicy.NO)), {}, EngineWarning.NEEDS_START, ("web",), id="D60"
        ),
        pytest.param(
            before(container(auto_remove=True)), {"remove_containers": True}, EngineWarning.REMOVES, ("web",), id="D61"
        ),
        pytest.param(before(container(state="exited")), {}, EngineWarning.REVIVES_STOPPED, ("web",), id="D62"),
        pytest.param(
            before(container(handles_stop=False)), {}, EngineWarning.SLOW_STOP, ("web",), id="slow"
        ),
        pytest.param(
            before(container(published=True), container("db")), {"live_restore": True}, EngineWarning.PUBLISHED_PORTS,
            ("web",), id="D5-ports",
        ),
        pytest.param(
            before(container(published=True)), {}, EngineWarning.PUBLISHED_PORTS, None, id="D5-it-stops-anyway"
        ),
        pytest.param(before(container()), {}, EngineWarning.LIVE_RESTORE_OFF, (), id="D68-off"),
        pytest.param(
            before(container(), **KEEPS), {}, EngineWarning.LIVE_RESTORE_OFF,
            None, id="D68-on",
        ),
    ],
)  # fmt: skip
def test_operator_is_warned(
    facts: DockerFacts, asked: dict[str, Any], code: EngineWarning, values: tuple[str, ...] | None
) -> None:
    found = [one.values for one in plan(facts, **asked).warnings if one.code is code]

    assert found == ([] if values is None else [values])


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        pytest.param({"active_state": "inactive"}, ("inactive", "enabled"), id="D27"),
        pytest.param({"active_state": "inactive", "unit_file_state": "disabled"}, ("inactive", "disabled"), id="D26"),
        pytest.param({"active_state": "inactive", "unit_file_state": "masked"}, ("inactive", "masked"), id="D26-mask"),
        pytest.param({"active_state": "failed"}, ("failed", "enabled"), id="failed"),
    ],
)
def test_D26_D27_stopped_engine_stays_stopped(  # noqa: N802 - the cases' ids
    unit: dict[str, Any], values: tuple[str, ...]
) -> None:
    found = plan(before(unit=replace(UNIT, main_pid=None, **unit), engine=None, containers=None))

    assert (found.restart_needed, EngineStep.RESTART in found.order, found.blocked) == (False, False, ())
    assert [(one.code, one.values) for one in found.warnings] == [(EngineWarning.UNIT_STOPPED, values)]


def test_D68_live_restore_keeps_containers_running() -> None:  # noqa: N802 - the case's id
    found = plan(before(container(), container("slow", handles_stop=False)), live_restore=True)

    assert {one.will for one in found.containers} == {Fate.KEEPS_RUNNING}
    assert {one.high_s for one in found.containers} == {0.0}
    assert EngineStep.STOP_SLOW not in found.order
    assert found.order.index(EngineStep.LIVE_RESTORE) < found.order.index(EngineStep.INSTALL)


def test_D68_live_restore_that_is_on_is_not_switched_on() -> None:  # noqa: N802 - the case's id
    found = plan(before(container(), **KEEPS), live_restore=True)

    assert EngineStep.LIVE_RESTORE not in found.order


def test_D70_a_swarm_excludes_live_restore() -> None:  # noqa: N802 - the case's id
    swarm = replace(OLD_ENGINE, swarm=SwarmState.ACTIVE)
    found = plan(before(container(), engine=swarm), live_restore=True)

    assert EngineStep.LIVE_RESTORE not in found.order
    assert {one.will for one in found.containers} == {Fate.RESTARTS}


@pytest.mark.parametrize(
    ("fields", "keeps"),
    [
        pytest.param({"config": LIVE_RESTORE}, True, id="in-the-file"),
        pytest.param(
            {"unit": replace(UNIT, arguments=("/usr/sbin/dockerd", "--live-restore"))}, True, id="in-the-unit"
        ),
        pytest.param({}, False, id="only-in-memory"),
        pytest.param({"config": LIVE_RESTORE, "engine": OLD_ENGINE}, False, id="only-in-the-file"),
    ],
)
def test_D68_live_restore_counts_if_the_engine_that_starts_has_it_too(  # noqa: N802 - the case's id
    fields: dict[str, Any], *, keeps: bool
) -> None:
    facts = before(container(), **{"engine": replace(OLD_ENGINE, live_restore=True), **fields})
    found = plan(facts)
    asked = plan(facts, live_restore=True)

    assert (found.containers[0].will is Fate.KEEPS_RUNNING) is keeps
    assert asked.containers[0].will is Fate.KEEPS_RUNNING
    assert (EngineStep.LIVE_RESTORE in asked.order) is not keeps
