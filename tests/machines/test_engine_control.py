"""A real engine under systemd: restarts with a final state, containers stopped and started, the outage measured."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.core.model.docker import Container
from agent.core.model.engine_state import UnitPhase
from agent.host.docker.actions import ContainerActions
from agent.host.docker.control import EngineControl, validate
from agent.host.docker.downtime import DowntimeMeter
from tests.core.docker.given_docker import UNIT, container
from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine

LIMIT_S = 120.0


@pytest.fixture(scope="module", params=[OLDER, NEWER])
def engine(request: pytest.FixtureRequest) -> Iterator[EngineMachine]:
    with engine_machine(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def inside(engine: EngineMachine) -> tuple[str, ...]:
    return "nsenter", "-t", str(engine.machine.leader), "-m", "-p", "-r", "-w", "-i", "-u", "-n", "-C"


@pytest.fixture
def control(inside: tuple[str, ...]) -> EngineControl:
    return EngineControl(systemctl=(*inside, "systemctl"))


@pytest.fixture
def socket_path(engine: EngineMachine) -> str:
    return str(engine.machine.path("/run/docker.sock"))


def named(engine: EngineMachine, name: str, *, stop_timeout: int = 10) -> Container:
    """Return what the actions need to know of a container."""
    return container(name, id=engine.docker(f"inspect --format '{{{{.Id}}}}' {name}"), stop_timeout_s=stop_timeout)


def test_a_restart_ends_with_another_process_and_its_outage_is_measured(
    engine: EngineMachine, control: EngineControl, socket_path: str
) -> None:
    engine.run_container("slow", policy="always", handles_stop=False, stop_timeout=1)
    before = control.state()

    with DowntimeMeter(socket_path) as meter:
        after = control.restart(limit_s=LIMIT_S)
        engine.docker("rm -f slow")

    assert after.phase is UnitPhase.RUNNING
    assert after.main_pid not in {None, before.main_pid}
    assert after.invocation_id != before.invocation_id
    assert meter.down_s > 0


def test_an_engine_that_runs_is_not_down(engine: EngineMachine, socket_path: str) -> None:
    with DowntimeMeter(socket_path) as meter:
        engine.docker("ps")

    assert meter.down_s == 0


def test_the_start_limit_stops_no_restart(control: EngineControl) -> None:
    assert [control.restart(limit_s=LIMIT_S).phase for _ in range(5)] == [UnitPhase.RUNNING] * 5


def test_an_engine_that_cannot_start_ends_as_failed_and_starts_again_once_it_can(
    engine: EngineMachine, control: EngineControl
) -> None:
    engine.configure('{"no-such-option": true}')
    failed = control.restart(limit_s=LIMIT_S)
    engine.configure("{}")
    mended = control.start(limit_s=LIMIT_S)

    assert failed.phase is UnitPhase.FAILED
    assert mended.phase is UnitPhase.RUNNING


def test_an_engine_that_was_stopped_stays_stopped(control: EngineControl) -> None:
    stopped = control.stop(limit_s=LIMIT_S)

    assert stopped.phase is UnitPhase.STOPPED
    assert control.start(limit_s=LIMIT_S).phase is UnitPhase.RUNNING


def test_an_engine_that_dies_while_it_is_watched_is_not_stable(engine: EngineMachine, control: EngineControl) -> None:
    assert control.restarts_during(seconds=1) == 0

    killer = engine.machine.start("sleep 1; kill -9 $(systemctl show -P MainPID docker.service)")

    assert control.restarts_during(seconds=30) == 1
    killer.communicate()
    control.wait_for_final_state(limit_s=LIMIT_S)


def test_a_reload_turns_live_restore_on(engine: EngineMachine, control: EngineControl) -> None:
    engine.configure('{"live-restore": true}')
    control.reload()
    engine.wait("live-restore is on", "docker info --format '{{.LiveRestoreEnabled}}' | grep -q true")
    engine.configure("{}")
    control.reload()


def test_containers_are_stopped_started_and_paused(engine: EngineMachine, socket_path: str) -> None:
    for name, good in (("good", True), ("bad", False)):
        engine.run_container(name, policy="unless-stopped", handles_stop=good)
    both = [named(engine, name, stop_timeout=2) for name in ("good", "bad")]
    actions = ContainerActions(socket_path)

    assert actions.stop(both) == {}
    assert engine.states() == {"good": "exited", "bad": "exited"}
    assert actions.stop(both) == {}
    stopped = actions.times(both)
    assert actions.start(both) == {}
    assert actions.start(both) == {}
    assert actions.pause(both[:1]) == {}
    assert engine.states() == {"good": "paused", "bad": "running"}
    started = actions.times(both)
    engine.docker("rm -f good bad")

    assert [(stopped[name].running, stopped[name].exit_code) for name in ("good", "bad")] == [(False, 0), (False, 137)]
    for name in ("good", "bad"):
        ended, begun = stopped[name].finished_at, started[name].started_at
        assert ended is not None
        assert begun is not None
        assert begun > ended


def test_an_action_on_a_container_that_is_gone_is_an_error(socket_path: str) -> None:
    actions = ContainerActions(socket_path)
    gone = container("gone", id="0123456789ab")

    assert list(actions.start([gone])) == ["gone"]
    assert list(actions.stop([gone])) == ["gone"]
    assert actions.times([gone]) == {}


@pytest.mark.parametrize(
    ("config", "accepted"),
    [("{}", 1), ('{"oom-score-adjust": -500}', 0), ('{"hosts": ["fd://"]}', 0), ("{", 0)],
)
def test_an_installed_engine_checks_its_configuration(
    engine: EngineMachine, inside: tuple[str, ...], config: str, accepted: int
) -> None:
    engine.configure(config)
    words = tuple(
        engine.machine.check("tr '\\0' ' ' </proc/$(systemctl show -P MainPID docker.service)/cmdline").split()
    )
    problem = validate(replace(UNIT, arguments=words), prefix=inside)
    engine.configure("{}")

    if engine.engine_version() == OLDER:
        assert problem is None
    else:
        assert problem is not None
        assert (problem == "") is bool(accepted)
