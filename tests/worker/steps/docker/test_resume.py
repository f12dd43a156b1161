"""A change of Docker that was interrupted ends with an engine, with its containers, and with what it really was."""

from dataclasses import replace
from typing import Any

import pytest

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.model.engine_outcome import EngineResult
from agent.errors import HostError
from agent.worker.steps.docker.change import Ended
from tests.core.docker.given_docker import NEW, OLD, OLD_ENGINE, docker
from tests.worker.steps.docker.fake_engine import (
    BEFORE,
    CONTAINERS,
    PENDING,
    RUNS_OLD,
    FakeEngine,
    Killed,
    change_of,
    docker_ce,
    docker_ce_snapshot,
    given_snapshot,
    pending_snapshot,
)

PLANNED = {"docker.io": (NEW, True), "docker-cli": (NEW, True)}
AS_BEFORE = {"docker.io": (OLD, True)}
HALF = {"docker.io": (NEW, True)}
FOREIGN = {"docker.io": ("28.5.2+dfsg4-5", True)}
UPGRADED, ROLLED_BACK = EngineResult.UPGRADED, EngineResult.ROLLED_BACK
INTERRUPTED, FAILED = EngineResult.INTERRUPTED, EngineResult.FAILED_NEEDS_ATTENTION
REFUSED = "the new package is not configured"
FAULTS = {
    "nothing fails": {},
    REFUSED: {"refused": {NEW}},
    "the new engine does not start": {"broken": {NEW}},
    "the configuration is refused": {"problem": "no such option"},
    "half of the containers do not start": {"unable": {"no", "always"}},
}


def resume(engine: FakeEngine, phase: Phase, **fields: Any) -> Ended:
    """Resume a run that was interrupted in a phase."""
    return change_of(engine, given_snapshot(phase=phase, **fields)).resume()


@pytest.mark.parametrize(
    ("phase", "packages", "expected"),
    [
        pytest.param(Phase.PREPARED, AS_BEFORE, INTERRUPTED, id="nothing was changed"),
        pytest.param(Phase.PACKAGES, AS_BEFORE, INTERRUPTED, id="dpkg had not begun"),
        pytest.param(Phase.PACKAGES, HALF, ROLLED_BACK, id="one package of two is there"),
        pytest.param(Phase.PACKAGES, PLANNED, UPGRADED, id="the packages are there"),
        pytest.param(Phase.PACKAGES, FOREIGN, INTERRUPTED, id="somebody installed another version"),
        pytest.param(Phase.RESTARTING, PLANNED, UPGRADED, id="the engine was being restarted"),
        pytest.param(Phase.RESTARTING, AS_BEFORE, INTERRUPTED, id="somebody went back"),
        pytest.param(Phase.RESTORING, PLANNED, UPGRADED, id="the containers were being brought back"),
        pytest.param(Phase.ROLLING_BACK, PLANNED, ROLLED_BACK, id="a rollback had not begun"),
        pytest.param(Phase.ROLLING_BACK, HALF, ROLLED_BACK, id="a rollback was among its packages"),
        pytest.param(Phase.ROLLING_BACK, AS_BEFORE, ROLLED_BACK, id="a rollback had its packages"),
        pytest.param(Phase.FORWARD_AGAIN, AS_BEFORE, FAILED, id="the last attempt"),
        pytest.param(Phase.FAILED, HALF, FAILED, id="a person is needed"),
    ],
)
@pytest.mark.parametrize("rebooted", [False, True], ids=["same boot", "rebooted"])
def test_each_phase_has_its_end(
    phase: Phase, packages: dict[str, tuple[str, bool]], expected: EngineResult, *, rebooted: bool
) -> None:
    engine = FakeEngine(RUNS_OLD, packages=dict(packages))
    if rebooted:
        engine.reboot()

    ended = resume(engine, phase)

    assert ended.result is expected
    if phase not in {Phase.PREPARED, Phase.FAILED}:
        assert engine.states == BEFORE
    assert ended.keeps_snapshot is (expected is FAILED)


@pytest.mark.parametrize(("broken", "result"), [(set(), UPGRADED), ({NEW}, ROLLED_BACK)], ids=["sound", "broken"])
def test_an_engine_that_a_shutdown_stops_proves_nothing_and_the_next_boot_goes_on(
    broken: set[str], result: EngineResult
) -> None:
    engine = FakeEngine(RUNS_OLD, broken=broken, stopping=True)

    stopped = change_of(engine).carry_out()
    ended = _resumed(engine, given_snapshot(), rebooted=True)

    assert (stopped.result, stopped.keeps_snapshot) == (INTERRUPTED, True)
    assert ended.result is result
    assert engine.states == BEFORE


def test_a_run_that_failed_is_never_touched() -> None:
    engine = FakeEngine(RUNS_OLD, packages=dict(HALF))

    resume(engine, Phase.FAILED)

    assert engine.done == []
    assert engine.saved == []


STOPPED_AHEAD = docker(
    *(replace(one, state="exited") if one.name == "slow" else one for one in CONTAINERS), engine=OLD_ENGINE
)


def test_slow_containers_that_a_killed_run_stopped_run_again_where_somebody_put_the_packages_back() -> None:
    engine = FakeEngine(STOPPED_AHEAD)

    ended = change_of(engine, given_snapshot(phase=Phase.RESTARTING)).resume()

    assert ended.result is EngineResult.INTERRUPTED
    assert engine.states == BEFORE


@pytest.mark.parametrize(
    ("fields", "switches", "expected"),
    [
        ({"stop_reason": "by SIGTERM"}, False, INTERRUPTED),
        ({"reload_problem": "no such option"}, True, EngineResult.BLOCKED),
    ],
    ids=["stopped", "live-restore refused"],
)
def test_they_run_again_where_the_run_that_finishes_a_restart_ends_ahead_of_it(
    fields: dict[str, str], expected: EngineResult, *, switches: bool
) -> None:
    engine = FakeEngine(STOPPED_AHEAD, packages=dict(PLANNED), **fields)  # type: ignore[arg-type]

    ended = resume(engine, Phase.RESTARTING, changes=(), switch_live_restore=switches)

    assert (ended.result, ended.keeps_snapshot) == (expected, False)
    assert "restart" not in engine.done
    assert engine.states == BEFORE


def test_dpkg_finishes_first() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, False), "docker-cli": (NEW, False)})

    ended = resume(engine, Phase.PACKAGES)

    assert ended.result is UPGRADED
    assert engine.done[:2] == ["finish", "stop slow"]


def test_an_engine_that_is_down_after_its_packages_need_not_wait_for_dpkg() -> None:
    engine = FakeEngine(RUNS_OLD, packages=dict(PLANNED))

    assert resume(engine, Phase.RESTARTING).result is UPGRADED
    assert "finish" not in engine.done


def test_a_dpkg_that_cannot_start_is_no_reason_to_leave_an_engine_down(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(RUNS_OLD, packages=dict(PLANNED))

    def fail(_engine: FakeEngine) -> None:
        raise HostError("no lock file")

    monkeypatch.setattr(FakeEngine, "finish", fail)

    assert resume(engine, Phase.PACKAGES).result is UPGRADED


def test_a_rollback_keeps_its_reason() -> None:
    engine = FakeEngine(RUNS_OLD, packages=dict(PLANNED))

    ended = resume(engine, Phase.ROLLING_BACK, reason="the engine did not stay up")

    assert ended.rollback is not None
    assert ended.rollback.reason == "the engine did not stay up"


def test_a_rollback_is_on_record_until_it_has_ended() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW})

    change_of(engine).carry_out()

    first = engine.phases.index(Phase.ROLLING_BACK)
    assert set(engine.phases[first:]) == {Phase.ROLLING_BACK}


def test_packages_of_somebody_else_are_not_changed() -> None:
    engine = FakeEngine(docker(*CONTAINERS), packages=dict(FOREIGN))

    ended = resume(engine, Phase.RESTARTING)

    assert ended.foreign
    assert "install" not in engine.done
    assert "restart" not in engine.done


def test_an_engine_whose_process_is_unknown_counts_as_disturbed() -> None:
    engine = FakeEngine(RUNS_OLD)

    assert resume(engine, Phase.RESTARTING, main_pid=None).result is INTERRUPTED
    assert engine.states == BEFORE


@pytest.mark.parametrize(
    ("fault", "changes"),
    [*((fault, True) for fault in FAULTS), *((fault, False) for fault in FAULTS if fault != REFUSED)],
)
@pytest.mark.parametrize("rebooted", [False, True], ids=["same boot", "rebooted"])
@pytest.mark.parametrize("switch", [False, True], ids=["as it is", "live-restore switched on"])
def test_a_kill_at_any_point_ends_with_an_engine_and_every_container(
    fault: str, *, rebooted: bool, changes: bool, switch: bool
) -> None:
    before = given_snapshot(switch_live_restore=switch, **({} if changes else {"changes": ()}))
    start = AS_BEFORE if changes else PLANNED
    whole = FakeEngine(RUNS_OLD, packages=dict(start), **FAULTS[fault])  # type: ignore[arg-type]
    uninterrupted = change_of(whole, before).carry_out()

    for at in range(len(whole.done)):
        engine = FakeEngine(RUNS_OLD, packages=dict(start), dies_at=at, **FAULTS[fault])  # type: ignore[arg-type]
        with pytest.raises(Killed):
            change_of(engine, before).carry_out()
        _check_end(engine, _resumed(engine, before, rebooted=rebooted), uninterrupted)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rebooted", [False, True], ids=["same boot", "rebooted"])
def test_docker_ce_killed_at_any_point_ends_with_an_engine_and_every_container(fault: str, *, rebooted: bool) -> None:
    before = docker_ce_snapshot()
    whole = docker_ce(ahead=False, **FAULTS[fault])  # type: ignore[arg-type]
    uninterrupted = change_of(whole, before).carry_out()

    assert whole.done[0] == "unpack"
    for at in range(len(whole.done)):
        engine = docker_ce(ahead=False, dies_at=at, **FAULTS[fault])  # type: ignore[arg-type]
        with pytest.raises(Killed):
            change_of(engine, before).carry_out()
        _check_end(engine, _resumed(engine, before, rebooted=rebooted), uninterrupted)


def test_an_engine_that_a_reboot_brought_to_its_pending_version_is_not_restarted() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (PENDING, True)})
    engine.reboot()

    ended = change_of(engine, pending_snapshot(phase=Phase.PACKAGES)).resume()

    assert (ended.result, ended.faults) == (INTERRUPTED, ())
    assert "restart" not in engine.done
    assert engine.states == BEFORE


@pytest.mark.parametrize("rebooted", [False, True], ids=["same boot", "rebooted"])
def test_a_kill_at_any_point_where_a_restart_was_pending_ends_with_what_was_installed(*, rebooted: bool) -> None:
    before, installed = pending_snapshot(), {"docker.io": (PENDING, True)}
    whole = FakeEngine(RUNS_OLD, packages=dict(installed), broken={NEW})
    change_of(whole, before).carry_out()

    for at in range(len(whole.done)):
        engine = FakeEngine(RUNS_OLD, packages=dict(installed), broken={NEW}, dies_at=at)
        with pytest.raises(Killed):
            change_of(engine, before).carry_out()
        ended = _resumed(engine, before, rebooted=rebooted)
        assert (ended.result, engine.running) == (ROLLED_BACK, "24.0.7+dfsg1")
        assert engine.states == BEFORE


@pytest.mark.parametrize("fault", FAULTS)
def test_a_second_kill_changes_nothing_of_it(fault: str) -> None:
    whole = FakeEngine(RUNS_OLD, **FAULTS[fault])  # type: ignore[arg-type]
    uninterrupted = change_of(whole).carry_out()

    for first in range(len(whole.done)):
        for second in range(first + 1, first + 8):
            engine = FakeEngine(RUNS_OLD, dies_at=first, **FAULTS[fault])  # type: ignore[arg-type]
            with pytest.raises(Killed):
                change_of(engine).carry_out()
            engine.dies_at = second
            try:
                ended = change_of(engine, engine.saved[-1]).resume()
            except Killed:
                ended = _resumed(engine, given_snapshot(), rebooted=False)
            _check_end(engine, ended, uninterrupted)


def _resumed(engine: FakeEngine, before: DockerSnapshot, *, rebooted: bool) -> Ended:
    engine.dies_at = None
    if rebooted:
        engine.reboot()
    saved = engine.saved[-1]
    assert replace(saved, phase=before.phase, reason="") == before
    return change_of(engine, saved).resume()


def _check_end(engine: FakeEngine, ended: Ended, uninterrupted: Ended) -> None:
    assert ended.result in {uninterrupted.result, ROLLED_BACK, INTERRUPTED}
    if ended.result is FAILED:
        return
    up = ended.result in {UPGRADED, EngineResult.RESTARTED}
    assert not engine.config_swapped
    version = engine.packages[engine.main][0]
    assert version == (NEW if up or not given_changes(engine) else OLD)
    assert all(complete for _, complete in engine.packages.values())
    assert engine.running == version.partition("-")[0]
    down = {name for name, state in engine.states.items() if state != BEFORE[name]}
    assert down <= engine.unable


def given_changes(engine: FakeEngine) -> bool:
    """Whether the run changes packages."""
    return bool(engine.saved[-1].changes)
