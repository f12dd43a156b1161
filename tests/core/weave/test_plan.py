"""The plan of Weave: cases W1 to W5, W18 to W20, B1; weave-behaviour.md W4, M1."""

from dataclasses import replace

import pytest

from agent.core.manifest import Manifest
from agent.core.model.docker import (
    NO_DOCKER,
    DockerFacts,
    Flavour,
    WeaveAttachment,
)
from agent.core.model.engine_plan import EnginePlan, EngineStep, EngineWarning, Fate
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, RouterReport, Vendor, WeaveFacts, WeaveKind, WeaveScript
from agent.core.weave.plan import WeaveOptions, weave_plan
from tests.core.docker.given_docker import OLD_ENGINE as ENGINE
from tests.core.docker.given_docker import container
from tests.core.given import NOW

REPORT = RouterReport(version="2.8.1", ready=True, peer_name="aa:bb:cc:dd:ee:ff", nickname="w1")
SCRIPT = WeaveScript(path="/usr/local/bin/weave", version="2.8.1", sha256="00")
OLD = WeaveFacts(
    kind=WeaveKind.SCRIPT,
    script=SCRIPT,
    container_state="running",
    image="weaveworks/weave:2.8.1",
    vendor=Vendor.WEAVEWORKS,
    report=REPORT,
)
FORK = replace(
    OLD,
    script=replace(SCRIPT, version="2.8.10"),
    image="rajchaudhuri/weave:2.8.10",
    vendor=Vendor.RAJCHAUDHURI,
    report=replace(REPORT, version="2.8.10"),
)
UNLISTED = replace(
    OLD,
    script=replace(SCRIPT, version="2.8.2"),
    image="weaveworks/weave:2.8.2",
    report=replace(REPORT, version="git-0123456789ab"),
)
"""The script of 2.8.2 names weaveworks' images, and its router has no number."""
PLAIN = container("plain", id="c1")
ROUTER = replace(PLAIN, id="c2", name="weave")
ON_NETWORK = replace(PLAIN, id="c3", name="on-network", weave=WeaveAttachment.NETWORK)
ATTACHED = replace(PLAIN, id="c4", name="attached", weave=WeaveAttachment.ATTACHED)
FALLEN = replace(ON_NETWORK, id="c5", name="fallen", state="exited", exit_code=255)
STOPPED = replace(FALLEN, id="c6", name="stopped", stopped_by_owner=True)
DOCKER = DockerFacts(
    flavour=Flavour.DOCKER_IO, engine=ENGINE, containers=(PLAIN, ROUTER, ON_NETWORK, ATTACHED, FALLEN, STOPPED)
)
NEWEST_ENGINE = replace(ENGINE, version="26.1.5+dfsg1", api_version="1.45", min_api_version="1.24")
ALL_SOURCES = ("1.9.8", "2.6.5", "2.8.1", "2.8.3", "2.8.10", "2.9.0")


def plan(
    weave: WeaveFacts, wanted: str | None, docker: DockerFacts = DOCKER, sources: tuple[str, ...] = ALL_SOURCES
) -> EnginePlan:
    return weave_plan(weave, docker, Manifest(weave_version=wanted), NOW, WeaveOptions(sources=sources))


def reasons(found: EnginePlan) -> list[str]:
    return [one.why.value for one in found.blocked]


@pytest.mark.parametrize(
    ("weave", "wanted", "docker", "expected"),
    [
        (OLD, None, DOCKER, []),
        (OLD, "2.8.1", DOCKER, []),
        (OLD, "latest", DOCKER, []),
        (FORK, "2.9.0", DOCKER, []),
        (OLD, "2.8.2", DOCKER, ["version-unavailable", "flavour-mismatch"]),
        (UNLISTED, "2.8.2", DOCKER, []),
        (OLD, "2.10", DOCKER, ["version-unavailable"]),
        (FORK, "2.8.1", DOCKER, ["version-unavailable", "flavour-mismatch"]),
        (OLD, "1.9.8", DOCKER, ["downgrade-refused"]),
        (OLD, "2.6.5", DOCKER, ["downgrade-refused"]),
        (FORK, "2.9.0", replace(DOCKER, engine=None, containers=None), ["docker-stopped"]),
        (FORK, "2.9.0", replace(DOCKER, engine=Unseen(reason="late")), ["unresponsive"]),
        (replace(FORK, kind=WeaveKind.PLUGIN), "2.9.0", DOCKER, ["unsupported-flavour"]),
        (replace(FORK, vendor=Vendor.OTHER), "2.9.0", DOCKER, ["unsupported-flavour"]),
        (replace(FORK, vendor=None), "2.9.0", DOCKER, ["unsupported-flavour"]),
        (NO_WEAVE, "2.9.0", DOCKER, ["unsupported-flavour"]),
        (NO_WEAVE, None, NO_DOCKER, []),
        (OLD, "2.6.5", replace(DOCKER, engine=NEWEST_ENGINE), ["downgrade-refused", "api-too-new"]),
        (FORK, "2.9.0", replace(DOCKER, engine=NEWEST_ENGINE), []),
    ],
    ids=[
        *(
            "no-manifest",
            "current",
            "latest",
            "upgrade",
            "w19-forks",
            "w19-is-there",
            "w19-nobodys",
            "w19-back",
            "w20-major",
            "older",
        ),
        *("w2-stopped-engine", "d30-silent-engine", "w18-plugin", "own-image", "image-id", "w1-none", "nothing"),
        *("b1-api", "fork-api"),
    ],
)
def test_what_blocks_an_upgrade_of_weave(
    weave: WeaveFacts, wanted: str | None, docker: DockerFacts, expected: list[str]
) -> None:
    assert reasons(plan(weave, wanted, docker)) == expected


def test_a_version_without_a_source_is_blocked() -> None:
    assert reasons(plan(FORK, "2.9.0", sources=())) == ["no-source"]


@pytest.mark.parametrize(("wanted", "expected"), [("2.6.5", []), ("1.9.8", ["downgrade-refused"])])
def test_w20_no_permission_leads_back_across_a_major(wanted: str, expected: list[str]) -> None:
    found = weave_plan(
        OLD, DOCKER, Manifest(weave_version=wanted), NOW, WeaveOptions(sources=ALL_SOURCES, allow_downgrade=True)
    )

    assert reasons(found) == expected


@pytest.mark.parametrize(("allowed", "expected"), [(False, ["not-approved"]), (True, [])])
def test_w20_a_newer_major_version_needs_its_option(*, allowed: bool, expected: list[str]) -> None:
    first = replace(
        OLD,
        script=replace(SCRIPT, version="1.9.8"),
        image="weaveworks/weave:1.9.8",
        report=replace(REPORT, version="1.9.8"),
    )

    manifest = Manifest(weave_version="2.8.1")
    found = weave_plan(first, DOCKER, manifest, NOW, WeaveOptions(sources=ALL_SOURCES, allow_major=allowed))

    assert reasons(found) == expected


def test_only_traffic_between_machines_stops() -> None:
    found = plan(FORK, "2.9.0")

    assert found.downtime
    assert found.downtime.low_s == pytest.approx(0.9)
    assert found.downtime.high_s == pytest.approx(7.8)
    assert {one.name: one.will for one in found.containers} == {
        "weave": Fate.RESTARTS,
        "on-network": Fate.KEEPS_RUNNING,
        "attached": Fate.KEEPS_RUNNING,
        "fallen": Fate.NEEDS_START,
    }


def test_w4_what_fell_is_started_before_weave_is_stopped() -> None:
    found = plan(FORK, "2.9.0")

    assert found.order.index(EngineStep.START) < found.order.index(EngineStep.INSTALL)
    assert [one.values for one in found.warnings if one.code is EngineWarning.NEEDS_START] == [("fallen",)]


def test_w3_a_stopped_router_is_upgraded_and_stays_stopped() -> None:
    found = plan(replace(FORK, container_state="exited", report=None), "2.9.0")

    assert EngineStep.LAUNCH not in found.order
    assert found.downtime is None
    assert not found.restart_needed
    assert [(one.before, one.after) for one in found.packages] == [("2.8.10", "2.9.0")]


def test_w4_three_versions_that_differ_are_a_warning_and_a_pending_restart() -> None:
    found = plan(replace(OLD, image="weaveworks/weave:2.6.5", report=replace(REPORT, version="2.6.5")), None)

    assert [one.values for one in found.warnings if one.code is EngineWarning.MISMATCH] == [("2.8.1", "2.6.5", "2.6.5")]
    assert found.restart_pending


def test_w4_an_older_router_is_launched_again_though_the_script_is_right() -> None:
    older = replace(FORK, image="rajchaudhuri/weave:2.8.3", report=replace(REPORT, version="2.8.3"))

    found = plan(older, "2.8.10", sources=())

    assert (found.blocked, found.packages, found.restart_needed) == ((), (), True)


def test_w5_m1_versions_without_a_number_come_from_the_image() -> None:
    odd = replace(
        FORK,
        script=replace(SCRIPT, version="unreleased"),
        image="rajchaudhuri/weave:2.8.3",
        report=replace(REPORT, version="git-0123456789ab"),
    )

    found = plan(odd, None)

    assert (found.installed, found.running, found.restart_pending) == ("2.8.3", "2.8.3", False)


def test_w19_the_archived_vendor_is_a_warning() -> None:
    warnings = [one for one in plan(OLD, "latest").warnings if one.code is EngineWarning.ARCHIVED]

    assert [one.values for one in warnings] == [("weaveworks", "2024-06-20", "2.8.1")]
    assert plan(FORK, "latest").candidate == "2.9.0"


def test_w9_failed_connections_are_a_warning() -> None:
    found = plan(replace(OLD, report=replace(REPORT, failed=("Unable to decrypt TCP msg",))), None)

    assert EngineWarning.CONNECTIONS_FAILED in {one.code for one in found.warnings}


def test_w19_another_vendor_in_the_configuration_changes_nothing_by_itself() -> None:
    found = weave_plan(
        FORK, DOCKER, Manifest(weave_version="2.9.0"), NOW, WeaveOptions(vendor="weaveworks", sources=ALL_SOURCES)
    )

    assert [(one.why.value, one.values) for one in found.blocked] == [
        ("flavour-mismatch", ("rajchaudhuri", "weaveworks"))
    ]
