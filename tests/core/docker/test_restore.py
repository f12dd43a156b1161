"""What brings the containers back after a restart of the engine (docker-weave D60 to D70)."""

from typing import Any

import pytest

from agent.core.docker.restore import Restoration, restoration, slow_first, still_lost, unattached
from agent.core.model.docker import NO_STOP_LIMIT_S, Container, RestartPolicy, WeaveAttachment
from tests.core.docker.given_docker import container

NO, ALWAYS = RestartPolicy.NO, RestartPolicy.ALWAYS
ON_FAILURE, UNLESS = RestartPolicy.ON_FAILURE, RestartPolicy.UNLESS_STOPPED


def done(found: Restoration) -> dict[str, list[str]]:
    """Return the names by what is done with them, without what is empty."""
    parts = {"start": found.start, "stop": found.stop, "pause": found.pause, "settling": found.settling}
    names = {key: [one.name for one in ones] for key, ones in parts.items()}
    names |= {"removed": list(found.removed), "gone": list(found.gone)}
    return {key: value for key, value in names.items() if value}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("running", "running", {}, id="it came back"),
        pytest.param("running", "exited", {"start": ["web"]}, id="it ran and was left stopped (D60, D65)"),
        pytest.param("running", "created", {"start": ["web"]}, id="it was created again and not started"),
        pytest.param("running", "dead", {"start": ["web"]}, id="the engine could not remove it"),
        pytest.param("running", None, {"gone": ["web"]}, id="it was removed and nobody announced it (D69)"),
        pytest.param("running", "restarting", {"settling": ["web"]}, id="the engine restarts it"),
        pytest.param("exited", "running", {"stop": ["web"]}, id="its owner had stopped it (D62)"),
        pytest.param("created", "running", {"stop": ["web"]}, id="it had never been started"),
        pytest.param("exited", "restarting", {"stop": ["web"]}, id="a stopped one is in a restart loop"),
        pytest.param("exited", "exited", {}, id="it stays stopped"),
        pytest.param("exited", None, {}, id="a stopped one was removed"),
        pytest.param("paused", "running", {"pause": ["web"]}, id="it was paused"),
        pytest.param("paused", "paused", {}, id="it is still paused"),
        pytest.param("paused", "exited", {"start": ["web"], "pause": ["web"]}, id="paused, and left stopped"),
        pytest.param("restarting", "exited", {}, id="it was in a restart loop (D67)"),
        pytest.param("restarting", "restarting", {}, id="it is in a restart loop still"),
        pytest.param("restarting", None, {}, id="a restart loop was removed"),
    ],
)
def test_a_container_is_brought_back_to_its_state(
    before: str, after: str | None, expected: dict[str, list[str]]
) -> None:
    now = [container(state=after)] if after else []

    assert done(restoration([container(state=before)], now)) == expected


@pytest.mark.parametrize("policy", [ALWAYS, UNLESS, ON_FAILURE], ids=lambda policy: policy.value)
def test_what_ran_is_started_whatever_its_policy(policy: RestartPolicy) -> None:
    before, after = container(policy=policy), container(state="exited", policy=policy)

    assert done(restoration([before], [after])) == {"start": ["web"]}


def test_a_stopped_container_that_no_engine_starts_was_started_by_a_person_and_runs_on() -> None:
    found = restoration([container(state="exited", policy=NO)], [container(policy=NO)])

    assert done(found) == {}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(container(state="exited", stopped_by_owner=False), id="always, and it could not start before"),
        pytest.param(container(state="exited", policy=UNLESS), id="no engine starts unless-stopped: a person did"),
        pytest.param(container(state="exited", policy=ON_FAILURE), id="on-failure that had ended with 0: a person did"),
    ],
)
def test_what_its_owner_wants_to_run_is_not_stopped(before: Container) -> None:
    assert done(restoration([before], [container(policy=before.policy)])) == {}


def test_a_container_that_a_person_created_in_the_place_of_a_stopped_one_is_not_stopped() -> None:
    assert done(restoration([container(id="1", state="exited")], [container(id="2")])) == {}


def test_an_announced_removal_is_no_loss() -> None:
    before = [container("once", auto_remove=True), container("other", auto_remove=True)]

    assert done(restoration(before, [], {"once"})) == {"removed": ["once"], "gone": ["other"]}


@pytest.mark.parametrize(("before", "after"), [("running", "exited"), ("running", None), ("exited", "running")])
def test_a_task_of_a_swarm_is_left_to_its_manager(before: str, after: str | None) -> None:
    now = [container(state=after, swarm_task=True)] if after else []

    assert done(restoration([container(state=before, swarm_task=True)], now)) == {}


def test_a_container_that_was_created_again_is_known_by_its_name() -> None:
    assert done(restoration([container(id="1")], [container(id="2", state="exited")])) == {"start": ["web"]}


def test_a_renamed_container_is_known_by_its_id() -> None:
    assert done(restoration([container("web", id="1")], [container("web-old", id="1")])) == {}


def test_a_new_container_is_left_alone() -> None:
    assert done(restoration([], [container()])) == {}


def test_containers_on_weaves_network_start_last_and_its_router_first() -> None:
    names = [("b-net", WeaveAttachment.NETWORK), ("z", WeaveAttachment.NONE), ("weave", WeaveAttachment.NONE)]
    before = [container(name, weave=weave) for name, weave in names]
    after = [container(name, state="exited", weave=weave) for name, weave in names]

    assert [one.name for one in restoration(before, after).start] == ["weave", "z", "b-net"]


def test_nothing_is_left_to_do_only_when_all_are_settled() -> None:
    assert restoration([container()], [container()]).nothing_to_do
    assert restoration([container()], []).nothing_to_do
    assert not restoration([container()], [container(state="restarting")]).nothing_to_do
    assert not restoration([container()], [container(state="exited")]).nothing_to_do


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(container(handles_stop=False), 1, id="it ignores the stop signal"),
        pytest.param(container(handles_stop=False, stop_timeout_s=NO_STOP_LIMIT_S), 0, id="its stop would not end"),
        pytest.param(container(handles_stop=True), 0, id="it handles the signal"),
        pytest.param(container(handles_stop=None), 0, id="unknown"),
        pytest.param(container(handles_stop=False, state="exited"), 0, id="it does not run"),
        pytest.param(container(handles_stop=False, state="paused"), 0, id="paused"),
        pytest.param(container(handles_stop=False, auto_remove=True), 0, id="a stop would remove it"),
        pytest.param(container(handles_stop=False, swarm_task=True), 0, id="its manager would replace it"),
    ],
)
def test_only_what_is_known_to_be_slow_is_stopped_ahead(one: Container, expected: int) -> None:
    assert len(slow_first([one])) == expected


def test_the_slowest_is_stopped_first() -> None:
    quick, slow = container("a", handles_stop=False), container("b", handles_stop=False, stop_timeout_s=60)

    assert slow_first([quick, slow]) == (slow, quick)


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        pytest.param({"weave": WeaveAttachment.NONE}, True, id="without"),
        pytest.param({"weave": WeaveAttachment.ATTACHED, "weave_address": "10.32.0.9/12"}, True, id="another"),
        pytest.param({"weave": WeaveAttachment.ATTACHED, "weave_address": "10.32.0.7/12"}, False, id="the same"),
        pytest.param({"weave": WeaveAttachment.ATTACHED}, False, id="an address that cannot be read"),
        pytest.param({"weave": WeaveAttachment.UNKNOWN}, False, id="unknown"),
        pytest.param({"weave": WeaveAttachment.NONE, "state": "exited"}, False, id="it does not run"),
    ],
)
def test_an_attached_container_that_lost_its_address(now: dict[str, Any], lost: bool) -> None:  # noqa: FBT001 - a table
    before = container(weave=WeaveAttachment.ATTACHED, weave_address="10.32.0.7/12")

    assert bool(unattached([before], [container(**now)])) is lost


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param([container()], (), id="runs again"),
        pytest.param([container(state="exited", exit_code=128)], ("web",), id="down"),
        pytest.param([container(state="exited", exit_code=None)], ("web",), id="down, unknown how"),
        pytest.param([container(state="restarting", exit_code=0)], ("web",), id="in a restart loop"),
        pytest.param([container(state="exited", exit_code=0)], (), id="a job that came to its end"),
        pytest.param([], (), id="removed since"),
        pytest.param([container("db", state="exited", exit_code=1)], (), id="another one is down"),
    ],
)
def test_what_an_upgrade_lost_is_lost_while_it_is_down(now: list[Container], expected: tuple[str, ...]) -> None:
    assert still_lost(["web"], now) == expected
