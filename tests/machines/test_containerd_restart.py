"""containerd under a real engine: judged by its main process, restarted under running containers, never with Docker."""

from collections.abc import Iterator

import pytest

from agent.core.restart.model import LeftWhy, UnitResult
from agent.core.restart.plan import plan_restarts, why_left
from agent.core.restart.verdict import SETTLE_S, judge
from agent.host.service_control import SystemdServices
from tests.support.engines import EngineMachine, engine_machine

pytestmark = pytest.mark.xdist_group("engines-1")
CONTAINERD = "containerd.service"
_REPLACE = "cp -a /usr/bin/{0} /usr/bin/{0}.new && mv /usr/bin/{0}.new /usr/bin/{0}"


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineMachine]:
    """Return a machine with an engine and a container whose shim runs a replaced file."""
    with engine_machine() as running:
        running.run_container("app")
        running.machine.check(_REPLACE.format("containerd-shim-runc-v2"))
        yield running


@pytest.fixture
def services(engine: EngineMachine) -> SystemdServices:
    inside = ("nsenter", "-t", str(engine.machine.leader), "-m", "-p", "-r", "-w", "-i", "-u", "-n", "-C")
    return SystemdServices(systemctl=(*inside, "systemctl"), proc=str(engine.machine.path("/proc")))


def test_old_shims_are_no_reason_to_restart_containerd(services: SystemdServices) -> None:
    found = why_left(services.units([CONTAINERD])[CONTAINERD])

    assert found is not None
    assert found.why is LeftWhy.OTHER_PROCESSES


def test_containers_survive_a_restart_of_containerd(engine: EngineMachine, services: SystemdServices) -> None:
    engine.machine.check(_REPLACE.format("containerd"))
    pids, dockerd = engine.pids(), engine.engine_pid()
    units = services.units([CONTAINERD])
    planned = plan_restarts([CONTAINERD], units)

    error = services.restart(CONTAINERD, limit_s=60)
    services.wait(SETTLE_S)
    after = services.units([CONTAINERD])[CONTAINERD]

    assert (planned[0].why, error) == (None, "")
    assert judge(units[CONTAINERD], after) == (UnitResult.RESTARTED, "")
    assert (engine.pids(), engine.engine_pid()) == (pids, dockerd)
    assert engine.docker("exec app echo alive") == "alive"


def test_containerd_is_left_where_docker_is_bound_to_it(engine: EngineMachine, services: SystemdServices) -> None:
    engine.machine.write("/etc/systemd/system/docker.service.d/bound.conf", f"[Unit]\nBindsTo={CONTAINERD}\n")
    engine.machine.check("systemctl daemon-reload")
    engine.machine.check(_REPLACE.format("containerd"))

    planned = plan_restarts([CONTAINERD], services.units([CONTAINERD]))

    assert (planned[0].why, planned[0].values) == (LeftWhy.RESTARTS_OTHERS, ("docker.service",))
