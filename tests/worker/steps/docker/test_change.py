"""The order and the ways back of a change of Docker, on an engine of values; real ones are in tests/machines."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.core.docker.snapshot import DockerSnapshot, Phase
from agent.core.docker.verify import FaultCode
from agent.core.model.docker import DockerFacts, SwarmState
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_plan import PackageChange
from agent.core.model.facts import Unseen
from agent.errors import BusyError, HostError, StoppedError
from agent.worker.steps.docker.change import Ended
from tests.core.docker.given_docker import LIVE_RESTORE, NEW, OLD, OLD_ENGINE, UNIT, container, docker, snapshot
from tests.worker.steps.docker.fake_engine import (
    BEFORE,
    CONTAINERS,
    IN_ARCHIVE,
    PENDING,
    RUNS_OLD,
    FakeEngine,
    change_of,
    docker_ce,
    docker_ce_snapshot,
    given_snapshot,
    pending_snapshot,
)

HELD = replace(snapshot().packages[0], on_hold=True)


def carry_out(engine: FakeEngine, before: DockerSnapshot | None = None) -> Ended:
    """Change that engine."""
    return change_of(engine, before).carry_out()


def test_packages_first_then_the_slow_containers_then_the_engine_then_the_rest() -> None:
    engine = FakeEngine(RUNS_OLD)

    ended = carry_out(engine)

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["install", "stop slow", "restart", "start no", "stop off"]
    assert engine.phases == [Phase.PACKAGES, Phase.RESTARTING, Phase.RESTORING]
    assert engine.states == BEFORE


def test_with_live_restore_nothing_is_stopped_ahead() -> None:
    engine = FakeEngine(replace(RUNS_OLD, engine=replace(OLD_ENGINE, live_restore=True), config=LIVE_RESTORE))

    carry_out(engine, given_snapshot(live_restore=True))

    assert "stop slow" not in engine.done


def test_packages_that_restart_the_engine_are_configured_after_the_slow_containers_are_stopped() -> None:
    engine = docker_ce()

    ended = carry_out(engine, docker_ce_snapshot())

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["unpack", "stop slow", "configure", "start no", "stop off"]
    assert engine.phases == [Phase.PACKAGES, Phase.RESTARTING, Phase.RESTORING]
    assert engine.validated[0] == IN_ARCHIVE
    assert engine.states == BEFORE


@pytest.mark.parametrize(
    "engine", [docker_ce, lambda **fields: FakeEngine(RUNS_OLD, ahead=True, **fields)], ids=["docker-ce", "docker.io"]
)
def test_a_configuration_that_the_engine_refuses_from_its_archive_changes_nothing(
    engine: Callable[..., FakeEngine],
) -> None:
    machine = engine(problem="no such option")
    before = docker_ce_snapshot() if machine.restarts_itself else given_snapshot()
    packages = dict(machine.packages)

    ended = carry_out(machine, before)

    assert ended.result is EngineResult.ROLLED_BACK
    assert [fault.code for fault in ended.faults] == []
    assert (machine.done, machine.packages, machine.facts) == ([], packages, RUNS_OLD)


def test_a_unit_that_starts_a_wrapper_has_no_arguments_with_which_the_new_engine_could_check() -> None:
    engine = FakeEngine(RUNS_OLD, ahead=True, problem="Usage: dockerd [OPTIONS]")
    wrapped = replace(UNIT, arguments=("/usr/local/sbin/start-engine", "--fast"))

    ended = change_of(engine, unit=wrapped).carry_out()

    assert (ended.result, engine.validated) == (EngineResult.UPGRADED, [])


def test_one_that_is_refused_only_after_the_files_were_replaced_stops_no_container_for_the_new_engine() -> None:
    engine = docker_ce(problem="no such option", ahead=False)

    ended = carry_out(engine, docker_ce_snapshot())

    assert ended.result is EngineResult.ROLLED_BACK
    assert engine.done[:4] == ["unpack", "unpack", "stop slow", "configure"]
    assert engine.states == BEFORE


@pytest.mark.parametrize("fields", [{"refused": {NEW}}, {"broken": {NEW}}], ids=["postinst fails", "engine dead"])
def test_docker_ce_is_rolled_back_in_halves_too(fields: dict[str, set[str]]) -> None:
    engine = docker_ce(**fields)

    ended = carry_out(engine, docker_ce_snapshot())

    assert ended.result is EngineResult.ROLLED_BACK
    assert set(engine.packages.values()) == {(OLD, True)}
    assert engine.states == BEFORE


def test_where_dpkgs_lock_is_taken_between_the_halves_the_slow_containers_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = docker_ce()
    monkeypatch.setattr(engine, "act", lambda name: _busy_from(engine, name, "stop slow"))

    ended = carry_out(engine, docker_ce_snapshot())

    assert (ended.result, ended.unfinished) == (EngineResult.INTERRUPTED, True)
    assert engine.done == ["unpack", "stop slow", "start slow"]
    assert engine.states == BEFORE


def test_an_engine_that_its_package_has_restarted_is_not_restarted_again() -> None:
    engine = FakeEngine(docker(*CONTAINERS))

    assert carry_out(engine).result is EngineResult.UPGRADED
    assert engine.done == ["install"]


def test_only_a_restart_where_only_the_running_engine_is_behind() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)})

    ended = carry_out(engine, given_snapshot(changes=()))

    assert ended.result is EngineResult.RESTARTED
    assert "install" not in engine.done
    assert engine.states == BEFORE


def test_a_restart_alone_that_fails_has_no_way_back() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)}, broken={NEW})

    ended = carry_out(engine, given_snapshot(changes=()))

    assert (ended.result, ended.rollback) == (EngineResult.FAILED_NEEDS_ATTENTION, None)
    assert engine.phases[-1] is Phase.FAILED


@pytest.mark.parametrize(
    ("refused", "problem"), [({NEW}, ""), (set[str](), "no such option")], ids=["dpkg", "configuration"]
)
def test_what_fails_ahead_of_the_restart_is_rolled_back_without_one(refused: set[str], problem: str) -> None:
    engine = FakeEngine(RUNS_OLD, refused=refused, problem=problem)

    ended = carry_out(engine)

    assert ended.result is EngineResult.ROLLED_BACK
    assert engine.done == ["install", "install"]
    assert engine.packages == {"docker.io": (OLD, True)}


def test_an_engine_that_does_not_start_is_rolled_back_with_its_containers() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW})

    ended = carry_out(engine)

    assert ended.result is EngineResult.ROLLED_BACK
    assert ended.rollback is not None
    assert ended.rollback.done
    assert engine.packages == {"docker.io": (OLD, True)}
    assert engine.states == BEFORE


@pytest.mark.parametrize(
    ("fault", "running"),
    [({"broken": {NEW}}, "24.0.7+dfsg1"), ({"refused": {NEW}}, "20.10.24+dfsg1")],
    ids=["after its restart", "ahead of it"],
)
def test_where_a_restart_was_pending_a_rollback_ends_with_what_was_installed_or_never_stopped(
    fault: dict[str, set[str]], running: str
) -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (PENDING, True)}, **fault)  # type: ignore[arg-type]

    ended = carry_out(engine, pending_snapshot())

    assert (ended.result, ended.faults) == (EngineResult.ROLLED_BACK, ())
    assert engine.packages == {"docker.io": (PENDING, True)}
    assert engine.running == running
    assert engine.states == BEFORE


def test_where_the_older_engine_does_not_start_either_the_newer_one_is_installed_again_and_that_is_all() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW, OLD})

    ended = carry_out(engine)

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert ended.rollback is not None
    assert not ended.rollback.done
    assert engine.done.count("restart") == 3
    assert engine.packages["docker.io"] == (NEW, True)
    assert engine.phases[-1] is Phase.FAILED


def test_a_rollback_without_its_archives_is_not_tried() -> None:
    engine = FakeEngine(RUNS_OLD, refused={NEW}, lost_archives={"docker.io"})

    ended = carry_out(engine)

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert engine.done == ["install"]


@pytest.mark.parametrize("broken", [set[str](), {NEW}], ids=["upgraded", "rolled back"])
def test_a_hold_that_was_in_force_is_in_force_afterwards(broken: set[str]) -> None:
    engine = FakeEngine(RUNS_OLD, held={"docker.io"}, broken=broken)

    ended = carry_out(engine, given_snapshot(packages=(HELD,)))

    assert engine.held == {"docker.io"}
    assert ended.faults == ()


def test_a_hold_that_is_lost_is_reported() -> None:
    engine = FakeEngine(RUNS_OLD, held={"docker.io"}, forgets_holds=True)

    ended = carry_out(engine, given_snapshot(packages=(HELD,)))

    assert ended.result is EngineResult.UPGRADED
    assert [fault.code for fault in ended.faults] == [FaultCode.HOLD]


@pytest.mark.parametrize(("socket_active", "stop"), [(False, "stop with socket"), (True, "stop")])
def test_an_engine_that_was_stopped_is_stopped_again_after_its_package_started_it(
    stop: str, *, socket_active: bool
) -> None:
    engine = FakeEngine(docker())
    stopped = given_snapshot(unit_active=False, containers=None, engine_version=None, socket_active=socket_active)

    ended = carry_out(engine, stopped)

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["install", stop]


def test_a_lost_container_is_no_reason_to_roll_back() -> None:
    engine = FakeEngine(RUNS_OLD)
    before = given_snapshot(containers=(*CONTAINERS, container("lost")))

    ended = carry_out(engine, before)

    assert ended.result is EngineResult.UPGRADED
    assert [fault.code for fault in ended.faults] == [FaultCode.CONTAINERS_GONE]


def test_a_container_that_does_not_start_while_most_do_is_reported_and_no_reason_to_roll_back() -> None:
    engine = FakeEngine(RUNS_OLD, unable={"no"})
    change = change_of(engine)

    ended = change.carry_out()

    assert (ended.result, ended.rollback) == (EngineResult.UPGRADED, None)
    assert [(fault.code, fault.values) for fault in ended.faults] == [(FaultCode.CONTAINERS_LOST, ("no",))]
    assert change.containers.errors == {"no": "no such mount"}


def test_where_half_of_the_containers_do_not_start_the_engine_is_rolled_back_once() -> None:
    engine = FakeEngine(RUNS_OLD, unable={"no", "always"})

    ended = carry_out(engine)

    assert ended.result is EngineResult.ROLLED_BACK
    assert engine.done.count("install") == 2
    assert engine.packages == {"docker.io": (OLD, True)}
    assert [fault.code for fault in ended.faults] == [FaultCode.CONTAINERS_DOWN]


def test_a_restart_alone_after_which_containers_are_down_needs_no_way_back() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)}, unable={"no", "always", "slow"})

    ended = carry_out(engine, given_snapshot(changes=()))

    assert (ended.result, ended.keeps_snapshot) == (EngineResult.RESTARTED, False)


def test_a_request_to_stop_takes_the_packages_back_while_the_engine_runs_on() -> None:
    engine = FakeEngine(RUNS_OLD, stop_reason="on request")

    ended = carry_out(engine)

    assert ended.result is EngineResult.INTERRUPTED
    assert ended.rollback is not None
    assert ended.rollback.done
    assert engine.done == ["install", "install"]
    assert engine.packages == {"docker.io": (OLD, True)}


def test_a_request_to_stop_while_dpkgs_lock_is_waited_for_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "install", stopped)
    engine = FakeEngine(RUNS_OLD)

    ended = carry_out(engine)

    assert (ended.result, ended.keeps_snapshot) == (EngineResult.INTERRUPTED, False)
    assert engine.packages == {"docker.io": (OLD, True)}


def test_a_rollback_that_is_stopped_while_it_waits_is_left_to_a_later_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)})
    monkeypatch.setattr(FakeEngine, "install", stopped)

    ended = change_of(engine, given_snapshot(phase=Phase.ROLLING_BACK)).resume()

    assert (ended.result, ended.unfinished) == (EngineResult.INTERRUPTED, True)
    assert engine.phases[-1] is Phase.ROLLING_BACK


def stopped(_engine: FakeEngine, files: object, remove: object) -> str:
    del files, remove
    raise StoppedError("on request")


def test_a_request_to_stop_prevents_a_restart_alone() -> None:
    engine = FakeEngine(RUNS_OLD, stop_reason="on request")

    assert carry_out(engine, given_snapshot(changes=())).result is EngineResult.INTERRUPTED
    assert engine.done == []


def test_once_the_engine_is_disturbed_a_request_to_stop_comes_too_late() -> None:
    engine = FakeEngine(docker(*CONTAINERS), packages={"docker.io": (OLD, True)}, stop_reason="on request")

    ended = carry_out(engine, given_snapshot(main_pid=99))

    assert ended.result is EngineResult.UPGRADED


def test_a_lock_of_dpkg_that_is_taken_ends_before_anything_is_changed() -> None:
    engine = FakeEngine(RUNS_OLD, dpkg_busy=1)

    with pytest.raises(BusyError):
        carry_out(engine)
    assert engine.phases == [Phase.PACKAGES, Phase.PREPARED]
    assert engine.done == []


def test_a_rollback_that_finds_dpkgs_lock_taken_is_left_to_a_later_run() -> None:
    engine = FakeEngine(RUNS_OLD, problem="no such option")
    change = change_of(engine)
    engine.act = lambda name: _busy_after(engine, name)  # type: ignore[method-assign]

    ended = change.carry_out()

    assert (ended.result, ended.unfinished, ended.keeps_snapshot) == (EngineResult.INTERRUPTED, True, True)
    assert engine.phases[-1] is Phase.ROLLING_BACK


def test_a_rollback_for_which_the_disk_is_too_full_is_left_to_a_later_run() -> None:
    engine = FakeEngine(RUNS_OLD, no_room=True)

    ended = carry_out(engine)
    engine.no_room = False
    later = change_of(engine, engine.saved[-1]).resume()

    assert (ended.result, ended.unfinished) == (EngineResult.INTERRUPTED, True)
    assert later.result is EngineResult.ROLLED_BACK
    assert engine.packages == {"docker.io": (OLD, True)}
    assert engine.states == BEFORE


@pytest.mark.parametrize("changes", [given_snapshot().changes, ()], ids=["packages", "restart alone"])
def test_slow_containers_run_again_where_the_restart_cannot_even_be_requested(
    monkeypatch: pytest.MonkeyPatch, changes: tuple[PackageChange, ...]
) -> None:
    def fail(*, limit_s: float) -> None:
        raise HostError(f"systemctl restart: no answer in {limit_s} s")

    engine = FakeEngine(RUNS_OLD)
    monkeypatch.setattr(engine, "restart", fail)

    change_of(engine, given_snapshot(changes=changes)).carry_out()

    assert engine.states == BEFORE


def test_an_engine_that_is_slow_to_show_its_containers_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(RUNS_OLD)
    looks = 0

    def slow_after_its_restart() -> DockerFacts:
        nonlocal looks
        looks += engine.running == "26.1.5"
        return replace(engine.facts, containers=Unseen(reason="too slow")) if looks % 3 == 1 else engine.facts

    monkeypatch.setattr(engine, "docker", slow_after_its_restart)

    assert carry_out(engine).result is EngineResult.UPGRADED
    assert engine.states == BEFORE


def test_nothing_is_changed_where_nothing_can_be_recorded() -> None:
    engine = FakeEngine(RUNS_OLD, disk_full=True)

    with pytest.raises(HostError):
        carry_out(engine)
    assert engine.done == []


def _busy_from(engine: FakeEngine, name: str, act: str) -> None:
    engine.done.append(name)
    if name == act:
        engine.dpkg_busy = 5


def _busy_after(engine: FakeEngine, name: str) -> None:
    engine.done.append(name)
    engine.dpkg_busy = 1


SWITCHES = given_snapshot(switch_live_restore=True)


def test_live_restore_is_switched_on_ahead_of_the_packages_and_daemon_json_put_back_at_the_end() -> None:
    engine = FakeEngine(RUNS_OLD)

    ended = carry_out(engine, SWITCHES)

    assert (ended.result, ended.faults) == (EngineResult.UPGRADED, ())
    assert engine.done == ["live-restore on", "install", "restart", "stop off", "live-restore as before"]
    assert engine.states == BEFORE


def test_a_restart_alone_switches_live_restore_on_too() -> None:
    engine = FakeEngine(RUNS_OLD, packages={"docker.io": (NEW, True)})

    ended = carry_out(engine, replace(SWITCHES, changes=()))

    assert ended.result is EngineResult.RESTARTED
    assert engine.done == ["live-restore on", "restart", "stop off", "live-restore as before"]


@pytest.mark.parametrize("changes", [SWITCHES.changes, ()], ids=["packages", "restart alone"])
def test_where_it_cannot_be_switched_on_nothing_is_changed(changes: tuple[PackageChange, ...]) -> None:
    engine = FakeEngine(RUNS_OLD, reload_problem="no effect")

    ended = carry_out(engine, replace(SWITCHES, changes=changes))

    assert (ended.result, ended.keeps_snapshot) == (EngineResult.BLOCKED, False)
    assert [fault.code for fault in ended.faults] == [FaultCode.LIVE_RESTORE]
    assert engine.done == ["live-restore on", "live-restore as before"]


def test_a_swarm_excludes_it() -> None:
    engine = FakeEngine(replace(RUNS_OLD, engine=replace(OLD_ENGINE, swarm=SwarmState.ACTIVE)))

    ended = carry_out(engine, SWITCHES)

    assert ended.result is EngineResult.BLOCKED
    assert "live-restore on" not in engine.done


def test_a_rollback_puts_daemon_json_back() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW})

    assert carry_out(engine, SWITCHES).result is EngineResult.ROLLED_BACK
    assert not engine.config_swapped
    assert engine.states == BEFORE


def test_where_no_engine_runs_daemon_json_keeps_live_restore_for_the_containers_that_do() -> None:
    engine = FakeEngine(RUNS_OLD, broken={NEW, OLD})

    ended = carry_out(engine, SWITCHES)

    assert ended.result is EngineResult.FAILED_NEEDS_ATTENTION
    assert FaultCode.CONFIG_KEPT in {fault.code for fault in ended.faults}
    assert engine.config_swapped


def test_dpkg_locked_puts_daemon_json_back() -> None:
    engine = FakeEngine(RUNS_OLD, dpkg_busy=1)

    with pytest.raises(BusyError):
        carry_out(engine, SWITCHES)
    assert not engine.config_swapped
