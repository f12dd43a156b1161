"""Whether an upgrade of Docker succeeded: judged by what runs (docker-weave D43 to D69)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.core.docker.snapshot import DockerSnapshot, Phase, obstacle
from agent.core.docker.verify import (
    Fault,
    FaultCode,
    InstallationState,
    downtimes,
    faults,
    installation_state,
    package_faults,
)
from agent.core.model.docker import ContainerTimes, DockerFacts
from agent.core.model.engine_outcome import ContainerDowntime
from agent.core.model.engine_state import UnitPhase, unit_phase
from agent.core.model.facts import Unseen
from tests.core.docker.given_docker import ENGINE, NEW, OLD, UNIT, container, docker, snapshot
from tests.core.given import NOW

DEAD = replace(UNIT, active_state="failed", main_pid=None)
STOPPED = replace(UNIT, active_state="inactive", main_pid=None)
KEPT = {
    FaultCode.CONTAINERS_LOST,
    FaultCode.CONTAINERS_GONE,
    FaultCode.CONTAINERS_REVIVED,
    FaultCode.ADDRESSES_LOST,
    FaultCode.ENGINE_UP,
    FaultCode.HOLD,
    FaultCode.CONFIG_KEPT,
}
"""What the version of before would not undo."""


def codes(found: tuple[Fault, ...]) -> list[FaultCode]:
    """Return the codes."""
    return [fault.code for fault in found]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(docker(container()), None, id="all is as before"),
        pytest.param(docker(unit=DEAD, engine=None), FaultCode.ENGINE_DOWN, id="apt said 0, dockerd is dead (D44)"),
        pytest.param(
            docker(unit=replace(UNIT, active_state="activating"), engine=None),
            FaultCode.ENGINE_DOWN,
            id="it waits for its next automatic restart (D50)",
        ),
        pytest.param(docker(unit=Unseen(reason="no systemd")), FaultCode.ENGINE_DOWN, id="the unit is unknown"),
        pytest.param(docker(engine=Unseen(reason="timeout")), FaultCode.ENGINE_SILENT, id="it does not answer (D30)"),
        pytest.param(
            docker(container(), engine=replace(ENGINE, version="20.10.24+dfsg1")),
            FaultCode.WRONG_VERSION,
            id="the engine of before still runs (D58)",
        ),
        pytest.param(
            docker(container(), engine=replace(ENGINE, executable_replaced=True)),
            FaultCode.OLD_EXECUTABLE,
            id="the same version from a deleted file",
        ),
        pytest.param(
            docker(containers=Unseen(reason="500")), FaultCode.CONTAINERS_UNKNOWN, id="no list of containers (D72)"
        ),
        pytest.param(docker(container(state="exited")), FaultCode.CONTAINERS_DOWN, id="one is down"),
        pytest.param(docker(container(state="restarting")), FaultCode.CONTAINERS_DOWN, id="one is in a restart loop"),
        pytest.param(docker(), FaultCode.CONTAINERS_GONE, id="one is lost (D69)"),
        pytest.param(
            docker(container(), container("off")), FaultCode.CONTAINERS_REVIVED, id="a stopped one runs (D62)"
        ),
    ],
)
def test_what_is_wrong_after_a_restart(after: DockerFacts, expected: FaultCode | None) -> None:
    before = snapshot(container(), container("off", state="exited"))

    assert codes(faults(before, after, target="26.1.5")) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("down", "expected"),
    [(0, []), (1, [FaultCode.CONTAINERS_LOST]), (2, [FaultCode.CONTAINERS_DOWN]), (4, [FaultCode.CONTAINERS_DOWN])],
)
def test_a_container_that_is_down_is_the_engines_fault_only_among_many(down: int, expected: list[FaultCode]) -> None:
    names = ("a", "b", "c", "d")
    looping = container("looping", state="restarting")
    before = snapshot(*map(container, names), looping, container("off", state="exited"))
    now = [container(name, state="exited" if at < down else "running") for at, name in enumerate(names)]

    assert codes(faults(before, docker(*now, looping), target="26.1.5")) == expected


def test_an_engine_that_systemd_restarts_is_not_stable() -> None:
    found = faults(snapshot(), docker(), target="26.1.5", restarts=2)

    assert found == (Fault(code=FaultCode.UNSTABLE, values=("2",)),)


def test_a_container_that_ended_by_itself_is_accounted_for() -> None:
    before, after = snapshot(container("job")), docker(container("job", state="exited"))

    assert faults(before, after, target=None, excused={"job"}) == ()


def test_an_announced_removal_is_no_fault() -> None:
    assert faults(snapshot(container("once", auto_remove=True)), docker(), target="26.1.5") == ()


@pytest.mark.parametrize(
    ("after", "expected"), [(docker(unit=STOPPED), []), (docker(), [FaultCode.ENGINE_UP])], ids=["stopped", "runs"]
)
def test_an_engine_that_was_stopped_has_to_stay_stopped(after: DockerFacts, expected: list[FaultCode]) -> None:
    before = snapshot(unit_active=False, engine_version=None, containers=None)

    assert codes(faults(before, after, target="26.1.5")) == expected


@pytest.mark.parametrize("code", FaultCode, ids=lambda code: code.value)
def test_a_rollback_happens_only_where_it_may_help(code: FaultCode) -> None:
    assert Fault(code=code).rolls_back is (code not in KEPT)


@pytest.mark.parametrize(
    ("states", "wrong"),
    [
        pytest.param({"docker.io": (NEW, True), "docker-cli": (NEW, True)}, (), id="all arrived"),
        pytest.param(
            {"docker.io": (NEW, False), "docker-cli": (NEW, True)}, ("docker.io",), id="half-configured (D43)"
        ),
        pytest.param({"docker.io": (OLD, True), "docker-cli": (NEW, True)}, ("docker.io",), id="the version of before"),
        pytest.param({"docker.io": (NEW, True)}, ("docker-cli",), id="the client is missing (D56)"),
        pytest.param({}, ("docker-cli", "docker.io"), id="both are missing"),
    ],
)
def test_packages_are_judged_by_dpkgs_database(states: dict[str, tuple[str, bool]], wrong: tuple[str, ...]) -> None:
    expected = (Fault(code=FaultCode.PACKAGES, values=wrong),) if wrong else ()

    assert package_faults(snapshot().changes, states) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param({"docker.io": (OLD, True)}, InstallationState.AS_BEFORE, id="nothing was done"),
        pytest.param(
            {"docker.io": (NEW, True), "docker-cli": (NEW, True)}, InstallationState.AS_PLANNED, id="all is done"
        ),
        pytest.param({"docker.io": (NEW, True)}, InstallationState.UNFINISHED, id="one of two"),
        pytest.param({"docker.io": (OLD, False)}, InstallationState.UNFINISHED, id="killed while unpacking"),
        pytest.param(
            {"docker.io": (NEW, False), "docker-cli": (NEW, False)}, InstallationState.UNFINISHED, id="not configured"
        ),
        pytest.param({"docker.io": ("28.5.2-1", True)}, InstallationState.FOREIGN, id="another version"),
        pytest.param({"docker-cli": (NEW, True)}, InstallationState.FOREIGN, id="the engine was removed"),
        pytest.param({"docker.io": ("28.5.2-1", False)}, InstallationState.UNFINISHED, id="another version, half-way"),
    ],
)
def test_an_interrupted_installation_came_so_far(
    states: dict[str, tuple[str, bool]], expected: InstallationState
) -> None:
    assert installation_state(snapshot().changes, states) is expected


def test_a_restart_alone_has_its_packages() -> None:
    assert installation_state((), {}) is InstallationState.AS_PLANNED


@pytest.mark.parametrize(
    ("active_state", "sub_state", "expected"),
    [
        ("active", "running", UnitPhase.RUNNING),
        ("inactive", "dead", UnitPhase.STOPPED),
        ("failed", "failed", UnitPhase.FAILED),
        ("activating", "auto-restart", UnitPhase.CHANGING),
        ("deactivating", "stop-sigterm", UnitPhase.CHANGING),
        ("reloading", "reload", UnitPhase.CHANGING),
        ("failed", "auto-restart", UnitPhase.CHANGING),
        ("inactive", "auto-restart", UnitPhase.CHANGING),
    ],
)
def test_a_first_answer_is_not_a_final_state(active_state: str, sub_state: str, expected: UnitPhase) -> None:
    assert unit_phase(active_state, sub_state) is expected


def times(ended_s: float | None, started_s: float, *, running: bool = True) -> ContainerTimes:
    """Return the times of a container, in seconds after the snapshot."""
    ended = NOW + timedelta(seconds=ended_s) if ended_s is not None else None
    return ContainerTimes(
        started_at=NOW + timedelta(seconds=started_s), finished_at=ended, running=running, exit_code=0
    )


def test_the_downtime_of_a_container_is_from_its_end_to_its_next_start() -> None:
    before: DockerSnapshot = snapshot(*map(container, ("kept", "once", "back", "down")), container("off", "exited"))
    after = {
        "kept": times(None, -600),
        "once": times(-700, -600),
        "back": times(10, 12.5),
        "down": times(10, -600, running=False),
        "off": times(20, 15, running=False),
    }

    assert downtimes(before, after, {}) == (
        ContainerDowntime(name="back", down_s=2.5),
        ContainerDowntime(name="down", down_s=None),
    )


def test_a_clock_that_was_set_back_meanwhile_hides_no_downtime() -> None:
    hour_s = -3600.0

    found = downtimes(snapshot(container("web")), {"web": times(hour_s + 10, hour_s + 12.5)}, {})

    assert found == (ContainerDowntime(name="web", down_s=2.5),)


BACK = times(10, 12.5)


@pytest.mark.parametrize(
    ("phase", "after", "first_start", "down_s"),
    [
        pytest.param(Phase.PREPARED, BACK, "2026-11-23T05:10:12.5Z", 2.5, id="once"),
        pytest.param(Phase.PREPARED, BACK, "2026-11-23T05:10:03.1Z", None, id="started before, and ended again"),
        pytest.param(Phase.PREPARED, replace(BACK, restarts=6), "", None, id="restarted by its policy"),
        pytest.param(Phase.RESTORING, BACK, "", None, id="perhaps also in the job that was interrupted"),
    ],
)
def test_the_last_of_several_outages_is_not_the_downtime(
    phase: Phase, after: ContainerTimes, first_start: str, down_s: float | None
) -> None:
    first_starts = {"web": first_start} if first_start else {}

    found = downtimes(snapshot(container("web"), phase=phase), {"web": after}, first_starts)

    assert found == (ContainerDowntime(name="web", down_s=down_s),)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        pytest.param(docker(), "", id="all is known"),
        pytest.param(docker(unit=STOPPED, engine=None, containers=None), "", id="no engine runs"),
        pytest.param(docker(unit=Unseen(reason="?")), "?", id="unknown unit"),
        pytest.param(docker(engine=Unseen(reason="?")), "?", id="unknown engine"),
        pytest.param(docker(engine=None), "the engine does not answer", id="a silent engine"),
        pytest.param(docker(containers=Unseen(reason="?")), "?", id="unknown containers"),
        pytest.param(docker(containers=None), "the containers are unknown", id="no list"),
    ],
)
def test_nothing_is_changed_without_knowing_what_runs(facts: DockerFacts, why: str) -> None:
    assert obstacle(facts) == why
