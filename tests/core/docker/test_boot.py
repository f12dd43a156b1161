"""Which containers run again after a reboot."""

from dataclasses import replace

import pytest

from agent.core.docker.boot import BootFate, after_boot
from agent.core.model.docker import Container, DockerFacts, Flavour, RestartPolicy, WeaveAttachment
from agent.core.model.facts import Unseen
from tests.core.docker.given_docker import OLD_ENGINE, container

WEB = container("web")


def of(*containers: Container) -> BootFate:
    return after_boot(DockerFacts(flavour=Flavour.DOCKER_IO, engine=OLD_ENGINE, containers=containers))


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (WEB, True),
        (replace(WEB, policy=RestartPolicy.UNLESS_STOPPED), True),
        (replace(WEB, policy=RestartPolicy.NO), False),
        (replace(WEB, policy=RestartPolicy.ON_FAILURE), False),
        (replace(WEB, policy=RestartPolicy.ON_FAILURE, handles_stop=False), True),
        (replace(WEB, policy=RestartPolicy.NO, auto_remove=True), False),
        (replace(WEB, weave=WeaveAttachment.NETWORK), False),
    ],
    ids=["always", "unless-stopped", "no", "on-failure", "on-failure-killed", "rm", "weave-network"],
)
def test_docker_starts_a_running_container_by_its_policy(one: Container, again: bool) -> None:  # noqa: FBT001
    found = of(one)

    assert (found.again, found.left) == (((one,), ()) if again else ((), (one,)))


def test_a_stopped_container_is_neither() -> None:
    assert of(container("off", state="exited")) == BootFate()


@pytest.mark.parametrize("containers", [None, Unseen(reason="r")], ids=["stopped-engine", "unseen"])
def test_what_is_not_known_is_not_named(containers: Unseen | None) -> None:
    assert after_boot(DockerFacts(flavour=Flavour.DOCKER_IO, containers=containers)) == BootFate()
