"""Real engines: the behaviour that decisions of the agent rest on (Debian 12, docker.io 20.10.24 and 26.1.5)."""

import json

import pytest

from tests.support.engine_packages import CONTAINERD_IO, Fault, ce_layers, ce_version, offer_faulty
from tests.support.engines import NEWER, OLDER, EngineMachine, engine_machine
from tests.support.recorded import Kept
from tests.support.repository import Signer

pytestmark = pytest.mark.xdist_group("engines-3")
APT_ERROR = 100
_CONNECT = 'import socket; socket.socket(socket.AF_UNIX).connect("/run/docker.sock")'


def test_apt_upgrades_the_engine_without_a_restart(engine: EngineMachine) -> None:
    engine.run_container("worker", policy="always")
    pid, pids = engine.engine_pid(), engine.pids()
    engine.install_engine(NEWER)
    assert engine.engine_version() == OLDER
    assert engine.engine_pid() == pid
    assert engine.pids() == pids
    assert engine.machine.check(f"readlink /proc/{pid}/exe").strip() == "/usr/sbin/dockerd (deleted)"


def test_a_restart_goes_by_policy_and_forgets_who_stopped_an_always_container(engine: EngineMachine) -> None:
    for policy in ("no", "always", "unless-stopped", "on-failure"):
        engine.run_container(policy, policy=policy)
    engine.run_container("on-failure-killed", policy="on-failure", handles_stop=False, stop_timeout=1)
    engine.run_container("removed", auto_remove=True)
    for policy in ("always", "unless-stopped"):
        engine.run_container(f"{policy}-stopped", policy=policy)
        engine.docker(f"stop {policy}-stopped")
    engine.restart()
    assert engine.states() == {
        "no": "exited",
        "always": "running",
        "unless-stopped": "running",
        "on-failure": "exited",
        "on-failure-killed": "running",
        "always-stopped": "running",
        "unless-stopped-stopped": "exited",
    }


def test_the_engine_records_which_containers_their_owner_stopped(engine: EngineMachine) -> None:
    ids = {name: engine.run_container(name, policy="always") for name in ("runs", "stopped")}
    engine.docker("stop stopped")
    found = {}
    for name, number in ids.items():
        config = json.loads(engine.machine.check(f"cat /var/lib/docker/containers/{number}/config.v2.json"))
        found[name] = config["HasBeenManuallyStopped"]
    assert found == {"runs": False, "stopped": True}


def test_the_fourth_start_within_a_minute_is_refused_until_reset_failed(engine: EngineMachine) -> None:
    # the first start was at boot
    codes = [engine.machine.run("systemctl restart docker").returncode for _ in range(3)]
    assert codes == [0, 0, 1]
    assert engine.machine.run("systemctl is-active docker.service").stdout.strip() == "failed"
    engine.restart()
    assert engine.engine_version() == OLDER


def test_a_reload_switches_live_restore_on_and_then_a_restart_keeps_processes(engine: EngineMachine) -> None:
    engine.run_container("worker")
    engine.run_container("removed", auto_remove=True)
    engine.configure('{"live-restore": true}')
    engine.machine.check("systemctl reload docker")
    engine.wait("live-restore", "docker info --format '{{.LiveRestoreEnabled}}' | grep -q true")
    pid, worker = engine.engine_pid(), engine.pids()["worker"]
    engine.restart()
    assert engine.engine_pid() != pid
    assert engine.pids() == {"worker": worker}  # 20.10 ends and removes those with --rm as it starts


def test_a_connection_starts_a_stopped_engine_and_systemctl_show_does_not(engine: EngineMachine) -> None:
    engine.machine.check("systemctl stop docker.service 2>&1")
    for _ in range(2):
        shown = engine.machine.check("systemctl show -P ActiveState docker.service docker.socket").split()
        assert shown == ["inactive", "active"]
    engine.machine.check(f"python3 -c '{_CONNECT}'")
    engine.wait("the engine runs", "systemctl is-active docker.service")


def test_apt_restarts_containerd_under_an_engine_that_goes_on(engine: EngineMachine) -> None:
    engine.run_container("worker", policy="always")
    shown = "systemctl show -P MainPID containerd.service"
    containerd, pid, pids = engine.machine.check(shown), engine.engine_pid(), engine.pids()
    engine.machine.check("apt-get -q -y install containerd/trixie")
    assert engine.machine.check(shown) != containerd
    assert (engine.engine_pid(), engine.pids()) == (pid, pids)


def test_only_the_newer_engine_validates_its_configuration(engine: EngineMachine) -> None:
    engine.configure('{"oom-score-adjust": -500}')
    assert "unknown flag: --validate" in engine.machine.run("dockerd --validate").stderr
    engine.machine.check("systemctl restart docker")
    engine.install_engine(NEWER)
    validated = engine.machine.run("dockerd --validate -H fd://")
    assert validated.returncode == 1
    assert "oom-score-adjust" in validated.stderr
    engine.configure('{"hosts": ["unix:///run/other.sock"]}')
    assert engine.machine.run("dockerd --validate").returncode == 0  # the unit's arguments decide
    assert "hosts" in engine.machine.run("dockerd --validate -H fd://").stderr


def test_the_client_goes_with_the_older_engine(engine: EngineMachine) -> None:
    # and dpkg's state says nothing of the engine that runs
    engine.install_engine(NEWER)
    assert engine.machine.version("docker-cli") is not None
    engine.install_engine(OLDER)
    assert engine.machine.version("docker-cli") is None
    assert engine.engine_version() == OLDER


def test_agent_and_engine_run_on_one_machine(kept_engine: tuple[Kept, EngineMachine]) -> None:
    kept, engine = kept_engine
    kept.machine.check("systemctl start maestro-agent")
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


@pytest.mark.parametrize("fault", [Fault.ENGINE_DEAD, Fault.ENGINE_FLAPS], ids=["dead", "flaps"])
def test_apt_succeeds_with_an_engine_that_does_not_stay_up(engine: EngineMachine, signer: Signer, fault: Fault) -> None:
    version = offer_faulty(engine.machine, signer, fault)
    engine.machine.check(f"apt-get -q -y install docker.io={version} docker-cli")
    assert engine.machine.version("docker.io") == version
    engine.machine.check("dockerd --validate -H fd://")
    engine.machine.run("systemctl restart docker")
    engine.wait("systemd starts it again", "test $(systemctl show -P NRestarts docker.service) -gt 0")


def test_after_a_kill_of_the_engine_an_unless_stopped_container_stays_down(engine: EngineMachine) -> None:
    for policy in ("always", "unless-stopped"):
        engine.run_container(policy, policy=policy, stop_timeout=1)
    pid = engine.engine_pid()
    engine.machine.check(f"kill -KILL {pid}")
    engine.wait("another engine", f"test $(systemctl show -P MainPID docker.service) -ne {pid} && docker ps", 60)
    assert engine.states() == {"always": "running", "unless-stopped": "exited"}


def test_where_no_service_may_start_the_postinst_leaves_the_engine_of_before() -> None:
    with engine_machine(layers=ce_layers()) as engine:
        engine.machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        engine.machine.check(f"apt-get -q -y install docker-ce={ce_version(NEWER)} docker-ce-cli={ce_version(NEWER)}")
        assert engine.machine.version("docker-ce") == ce_version(NEWER)
        assert engine.engine_version() == OLDER
