"""The gate between Docker and Weave: docker-weave.md 3.5; cases B1 to B4, W5; weave-behaviour.md M1, M4, I15."""

from dataclasses import replace

import pytest

from agent.core.model.engine_plan import EngineWhy
from agent.core.model.facts import Unseen
from agent.core.model.weave import NO_WEAVE, RouterReport, WeaveFacts, WeaveKind
from agent.core.weave.api_gate import DockerApi, Remedy, WeaveApi, api_gate, image_tag, weave_api

REPORT = RouterReport(version="2.8.1", ready=True, peer_name="aa:bb:cc:dd:ee:ff", nickname="w1")
WEAVE = WeaveFacts(kind=WeaveKind.SCRIPT, container_state="running", image="weaveworks/weave:2.8.1", report=REPORT)


@pytest.mark.parametrize(
    ("docker", "weave", "remedy"),
    [
        ("20.10.24+dfsg1", "2.8.1", None),
        ("24.0.9", "1.9.8", None),
        ("24.0.9", "2.9.0", None),
        ("25.0.0", "2.8.1", Remedy.UPGRADE_WEAVE),
        ("25.0.0", "2.8.3", None),
        ("5:26.1.4-1~debian.12~bookworm", "2.8.2", Remedy.UPGRADE_WEAVE),
        ("26.1.5+dfsg1", "2.9.0", None),
        ("27.3.1", "1.9.8", Remedy.UPGRADE_WEAVE),
        ("28.5.2", "2.8.10", None),
        ("29.0.3", "2.8.1", Remedy.UPGRADE_WEAVE),
        ("29.0.3", "2.9.0", Remedy.SET_MIN_API),
        ("29.9.0", "2.9.0", Remedy.SET_MIN_API),
        ("31.0.0", "2.9.0", Remedy.SET_MIN_API),
        ("24.0.9", "", None),
        ("26.1.5", "", Remedy.FIND_WEAVE_VERSION),
        ("26.1.5", "git-0123456789ab", Remedy.FIND_WEAVE_VERSION),
    ],
)
def test_b1_b3_each_engine_accepts_the_api_version_of_each_weave_or_not(
    docker: str, weave: str, remedy: Remedy | None
) -> None:
    assert_gate(DockerApi(version=docker), WeaveApi(version=weave), remedy)


@pytest.mark.parametrize(
    ("docker", "configured", "weave", "remedy"),
    [
        ("25.0.5", "1.18", "2.8.1", None),
        ("25.0.5", "1.12", "2.8.1", None),
        ("25.0.5", "1.20", "2.8.1", Remedy.UPGRADE_WEAVE),
        ("26.1.5", "1.18", "2.8.1", Remedy.UPGRADE_WEAVE),
        ("29.4.0", "1.24", "2.9.0", None),
        ("29.4.0", "1.24", "2.8.1", Remedy.UPGRADE_WEAVE),
        ("28.5.2", "1.44", "2.9.0", Remedy.SET_MIN_API),
    ],
)
def test_b3_the_engines_own_minimum_opens_the_gate_down_to_its_floor(
    docker: str, configured: str, weave: str, remedy: Remedy | None
) -> None:
    assert_gate(DockerApi(version=docker, configured_min=configured), WeaveApi(version=weave), remedy)


@pytest.mark.parametrize(
    ("docker", "weave", "configured", "remedy"),
    [
        ("29.4.0", "2.9.0", "1.44", None),
        ("29.2.0", "2.9.0", "1.40", Remedy.SET_MIN_API),
        ("29.4.0", "2.8.1", "1.44", Remedy.UPGRADE_WEAVE),
        ("26.1.5", "2.9.0", "1.44", None),
        ("20.10.24", "2.9.0", "1.44", Remedy.LOWER_WEAVE_API),
        ("20.10.24", "2.8.1", "1.44", None),
    ],
)
def test_i15_i16_only_the_fork_reads_docker_api_version(
    docker: str, weave: str, configured: str, remedy: Remedy | None
) -> None:
    assert_gate(DockerApi(version=docker), WeaveApi(version=weave, configured=configured), remedy)


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("29.0.0", Remedy.OTHER_DOCKER),
        ("29.0.2", Remedy.OTHER_DOCKER),
        ("5:29.0.1-1~ubuntu.24.04~noble", Remedy.OTHER_DOCKER),
        ("29.0.3", None),
        ("28.5.2", None),
    ],
)
def test_b4_three_releases_crash_with_a_network_plugin(version: str, remedy: Remedy | None) -> None:
    assert_gate(DockerApi(version=version, configured_min="1.24"), WeaveApi(version="2.9.0"), remedy)


def test_the_minimum_that_a_running_engine_shows_beats_the_table() -> None:
    assert api_gate(DockerApi(version="26.1.5", shown_min="1.12"), WeaveApi(version="2.8.1")) is None


def test_the_block_names_both_versions_both_api_versions_and_the_remedy() -> None:
    found = api_gate(DockerApi(version="27.3.1"), WeaveApi(version="2.8.1"))

    assert found is not None
    assert found.why is EngineWhy.API_TOO_NEW
    assert found.values == ("27.3.1", "1.24", "2.8.1", "1.18", "upgrade-weave")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (NO_WEAVE, None),
        (replace(WEAVE, kind=WeaveKind.PLUGIN), None),
        (replace(WEAVE, container_state=""), None),
        (WEAVE, WeaveApi(version="2.8.1")),
        (replace(WEAVE, report=None, container_state="exited"), WeaveApi(version="2.8.1")),
        (
            replace(WEAVE, report=Unseen(reason="refused"), image="a.example:5000/weave:2.9.0"),
            WeaveApi(version="2.9.0"),
        ),
        (
            replace(WEAVE, report=replace(REPORT, version="git-0123456789ab"), image="rajchaudhuri/weave:2.8.3"),
            WeaveApi(version="2.8.3"),
        ),
        (replace(WEAVE, report=None, image="weaveworks/weave:latest"), WeaveApi(version="")),
        (replace(WEAVE, docker_api_version="1.44"), WeaveApi(version="2.8.1", configured="1.44")),
    ],
    ids=["none", "plugin", "no-container", "running", "m4-stopped", "refuses", "m1-stamp", "latest", "configured"],
)
def test_the_router_counts_also_where_it_is_stopped(facts: WeaveFacts, expected: WeaveApi | None) -> None:
    assert weave_api(facts) == expected


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("weaveworks/weave:2.8.1", "2.8.1"),
        ("a.example:5000/weave", ""),
        ("weaveworks/weave:2.8.1@sha256:00", "2.8.1"),
        ("sha256:00ff", ""),
        ("", ""),
    ],
)
def test_the_tag_of_an_image_is_found(image: str, tag: str) -> None:
    assert image_tag(image) == tag


def assert_gate(docker: DockerApi, weave: WeaveApi, remedy: Remedy | None) -> None:
    found = api_gate(docker, weave)
    assert (found.values[-1] if found else None) == (remedy.value if remedy else None)
