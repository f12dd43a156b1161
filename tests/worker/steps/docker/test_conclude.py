"""The outcome of a change of Docker: what is seen after it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from agent.core.docker.snapshot import DockerSnapshot
from agent.core.model.docker import ContainerTimes, DockerFacts
from agent.core.model.engine_outcome import ContainerDowntime, EngineOutcome, EngineResult
from agent.core.model.engine_plan import PackageChange
from agent.core.model.facts import Unseen
from agent.worker.steps.docker.change import Ended
from agent.worker.steps.docker.conclude import conclude
from tests.core.docker.given_docker import NEW, OLD, container, docker, snapshot
from tests.core.given import NOW

LATER = NOW + timedelta(minutes=1)
BEFORE = snapshot(container("web"), container("once", auto_remove=True), container("off", state="exited"))


def outcome(
    after: DockerFacts,
    *,
    before: DockerSnapshot = BEFORE,
    installed: Mapping[str, str] = MappingProxyType({"docker.io": NEW}),
    **times: ContainerTimes,
) -> EngineOutcome:
    """Return the outcome with that engine and these packages afterwards."""
    return conclude(
        before,
        after,
        Ended(result=EngineResult.UPGRADED),
        installed=installed,
        times=times,
        first_starts={},
        engine_down_s=2.5,
        errors={"web": "no such network"},
        now=LATER,
    )


def test_versions_packages_and_outages_are_those_that_are_seen() -> None:
    ended, begun = NOW + timedelta(seconds=1), NOW + timedelta(seconds=3)
    web = ContainerTimes(started_at=begun, finished_at=ended, running=True, exit_code=0)

    found = outcome(docker(container("web"), container("off", state="exited")), web=web)

    assert (found.before, found.target, found.running) == ("20.10.24", "26.1.5", "26.1.5")
    assert found.packages == (PackageChange(package="docker.io", before=OLD, after=NEW),)
    assert found.containers_down == (ContainerDowntime(name="web", down_s=2.0),)
    assert (found.engine_down_s, found.finished_at) == (2.5, LATER)
    assert found.containers_lost == ("once",)
    assert found.message == "web: no such network"


def test_a_package_that_stayed_is_no_change() -> None:
    assert outcome(docker(), installed={"docker.io": OLD}).packages == ()


@pytest.mark.parametrize(
    ("change", "installed"),
    [
        pytest.param(
            PackageChange(package="tini-static", before=None, after="0.19"), {"tini-static": "0.19"}, id="new"
        ),
        pytest.param(PackageChange(package="libc6", before="2.36", after="2.41"), {"libc6": "2.41"}, id="upgraded"),
    ],
)
def test_a_changed_dependency_is_a_change(change: PackageChange, installed: dict[str, str]) -> None:
    assert outcome(docker(), before=replace(BEFORE, changes=(change,)), installed=installed).packages == (change,)


def test_a_dependency_that_is_as_before_again_is_no_change() -> None:
    changes = (PackageChange(package="libc6", before="2.36", after="2.41"),)

    assert outcome(docker(), before=replace(BEFORE, changes=changes), installed={"libc6": "2.36"}).packages == ()


@pytest.mark.parametrize("state", ["exited", "restarting"])
def test_a_container_that_is_down_in_a_restart_loop_or_gone_is_lost(state: str) -> None:
    assert outcome(docker(container("web", state=state))).containers_lost == ("once", "web")
    assert outcome(docker()).containers_lost == ("once", "web")


def test_where_nothing_is_known_all_that_ran_counts_as_lost() -> None:
    found = outcome(docker(engine=Unseen(reason="?"), containers=Unseen(reason="?")))

    assert (found.running, found.containers_lost) == (None, ("once", "web"))
