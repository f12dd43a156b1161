"""Real engines: the behaviour that decisions of the agent rest on (Debian 12, docker.io 20.10.24 and 26.1.5)."""

import pytest

from tests.support.engine_packages import CONTAINERD_IO, Fault, ce_layers, ce_version, offer_faulty
from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine
from tests.support.recorded import Kept
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("engines")
APT_ERROR = 100


def test_apt_upgrades_the_engine_without_a_restart(engine: EngineMachine) -> None:
    engine.run_container("worker", policy="always")
    pid, pids = engine.engine_pid(), engine.pids()
    engine.install_engine(NEWER)
    assert engine.engine_version() == OLDER
    assert engine.engine_pid() == pid
    assert engine.pids() == pids
    assert engine.machine.check(f"readlink /proc/{pid}/exe").strip() == "/usr/sbin/dockerd (deleted)"


def test_agent_and_engine_run_on_one_machine(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    kept.wait_for_daemon()
    assert engine.engine_version() == OLDER
    assert engine.running() == set()


def test_docker_ce_restarts_the_engine_in_its_postinst() -> None:
    with engine_machine(layers=ce_layers()) as engine:
        engine.run_container("worker", policy="always")
        assert engine.engine_version() == OLDER
        wanted = f"docker-ce={ce_version(NEWER)} docker-ce-cli={ce_version(NEWER)}"
        engine.machine.check(f"apt-get -q -y install {wanted}")
        assert engine.engine_version() == NEWER
        assert engine.machine.version("containerd.io") == CONTAINERD_IO[NEWER]
        assert engine.running() == {"worker"}


def test_dpkg_leaves_an_engine_whose_postinst_fails_half_configured(engine: EngineMachine, signer: Signer) -> None:
    version = offer_faulty(engine.machine, signer, Fault.POSTINST_FAILS)
    assert engine.machine.run(f"apt-get -q -y install docker.io={version} docker-cli").returncode == APT_ERROR
    assert engine.machine.check("dpkg-query -W -f '${db:Status-Status}' docker.io") == "half-configured"
    assert engine.engine_version() == OLDER


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.ENGINE_DEAD, "systemctl is-failed docker.service"),
        (Fault.ENGINE_FLAPS, "test $(systemctl show -P NRestarts docker.service) -gt 0"),
    ],
    ids=["dead", "flaps"],
)
def test_apt_succeeds_with_an_engine_that_does_not_stay_up(
    engine: EngineMachine, signer: Signer, fault: Fault, outcome: str
) -> None:
    version = offer_faulty(engine.machine, signer, fault)
    engine.machine.check(f"apt-get -q -y install docker.io={version} docker-cli")
    assert engine.machine.version("docker.io") == version
    engine.machine.check("dockerd --validate -H fd://")
    engine.machine.run("systemctl restart docker")
    engine.wait("the engine has ended", outcome)
