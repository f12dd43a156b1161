"""The agent's observation of Docker beside what Docker and systemd say, on machines where an engine runs."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from agent.core.model.docker import Container, DockerFacts, EngineUnit, Flavour, RestartPolicy, RunningEngine
from agent.core.model.facts import Unseen
from tests.support.engine_facts import observe_docker
from tests.support.engine_packages import CONTAINERD_IO, ce_layers, ce_version
from tests.support.engines import IMAGE, NEWER, OLDER, EngineMachine, engine_machine

pytestmark = pytest.mark.xdist_group("engines-5")
_MANY = 500
_CREATE = """import concurrent.futures, http.client, json, socket
def create(number):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/docker.sock")
    body = json.dumps({{"Image": "{image}", "Cmd": ["true"]}})
    connection.request("POST", f"/containers/create?name=c{{number}}", body, {{"Content-Type": "application/json"}})
    assert connection.getresponse().status == 201
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(create, range({many})))
"""
_POLICIES = ("no", "always", "unless-stopped", "on-failure")
_KINDS = list(itertools.product(_POLICIES, (True, False), (False, True)))


@pytest.fixture(scope="module")
def observed() -> Iterator[tuple[EngineMachine, DockerFacts]]:
    """Return a machine with a container of every kind, and what was observed there."""
    with engine_machine() as engine:
        for policy, handles_stop, stopped in _KINDS:
            name = _name(policy, handles_stop=handles_stop, stopped=stopped)
            engine.run_container(name, policy=policy, handles_stop=handles_stop, stop_timeout=1)
        stopped_ones = [_name(policy, handles_stop=handles, stopped=True) for policy, handles, owner in _KINDS if owner]
        engine.docker(f"stop {' '.join(stopped_ones)}")
        engine.run_container("removed", auto_remove=True)
        engine.run_container("web", published=8080, stop_timeout=77)
        engine.run_container("paused")
        engine.docker("pause paused")
        engine.docker(f"run -d --name=ended {IMAGE} sh -c 'exit 7'")
        engine.docker(f"run -d --name=own-init --init {IMAGE} sleep 1000")
        engine.docker(f"run -d --name=other-signal --stop-signal=USR1 {IMAGE} sh -c 'trap : USR1; sleep 1000'")
        yield engine, observe_docker(engine)


def _name(policy: str, *, handles_stop: bool, stopped: bool) -> str:
    return f"{policy}-{'good' if handles_stop else 'bad'}{'-stopped' if stopped else ''}"


def _containers(facts: DockerFacts) -> dict[str, Container]:
    assert isinstance(facts.containers, tuple)
    return {one.name: one for one in facts.containers}


def _engine(facts: DockerFacts) -> RunningEngine:
    assert isinstance(facts.engine, RunningEngine)
    return facts.engine


def _unit(facts: DockerFacts) -> EngineUnit:
    assert isinstance(facts.unit, EngineUnit)
    return facts.unit


def _inspected(engine: EngineMachine) -> dict[str, Any]:
    listed = json.loads(engine.docker("inspect $(docker ps -aq)"))
    return {one["Name"].lstrip("/"): one for one in listed}


def test_the_engine_is_the_one_that_docker_version_shows(observed: tuple[EngineMachine, DockerFacts]) -> None:
    engine, facts = observed
    server = json.loads(engine.docker("version --format '{{json .Server}}'"))
    info = json.loads(engine.docker("info --format '{{json .}}'"))
    found = _engine(facts)
    assert facts.flavour is Flavour.DOCKER_IO
    assert (found.version, found.api_version, found.min_api_version) == (
        server["Version"],
        server["ApiVersion"],
        server["MinAPIVersion"],
    )
    assert (found.live_restore, found.storage_driver, found.data_root) == (
        info["LiveRestoreEnabled"],
        info["Driver"],
        info["DockerRootDir"],
    )
    assert found.executable_replaced is False


def test_the_unit_is_the_one_that_systemd_shows(observed: tuple[EngineMachine, DockerFacts]) -> None:
    engine, facts = observed
    unit = _unit(facts)
    assert (unit.active_state, unit.unit_file_state, unit.main_pid) == ("active", "enabled", engine.engine_pid())
    assert unit.arguments[:3] == ("/usr/sbin/dockerd", "-H", "fd://")
    assert unit.stop_timeout_s == 90  # systemd's default
    assert unit.socket_active


def test_the_packages_are_those_of_dpkg(observed: tuple[EngineMachine, DockerFacts]) -> None:
    engine, facts = observed
    assert {one.package: one.version for one in facts.packages} == {
        name: engine.machine.version(name) for name in ("docker.io", "containerd", "runc", "tini")
    }


def test_each_container_is_as_docker_inspect_shows_it(observed: tuple[EngineMachine, DockerFacts]) -> None:
    engine, facts = observed
    inspected = _inspected(engine)
    found = _containers(facts)
    assert set(found) == set(inspected)
    for name, one in found.items():
        state, host = inspected[name]["State"], inspected[name]["HostConfig"]
        assert (one.id, one.state, one.started_at) == (inspected[name]["Id"], state["Status"], state["StartedAt"])
        assert (one.pid or 0, one.exit_code) == (state["Pid"], state["ExitCode"])
        assert (one.policy, one.auto_remove) == (RestartPolicy(host["RestartPolicy"]["Name"]), host["AutoRemove"])
        assert one.networks == ("bridge",)


@pytest.mark.parametrize(("policy", "handles_stop", "stopped"), _KINDS)
def test_a_container_of_each_kind_is_known_by_signal_and_by_who_stopped_it(
    observed: tuple[EngineMachine, DockerFacts], policy: str, *, handles_stop: bool, stopped: bool
) -> None:
    found = _containers(observed[1])[_name(policy, handles_stop=handles_stop, stopped=stopped)]
    assert found.stopped_by_owner is stopped
    assert found.handles_stop is (None if stopped else handles_stop)
    assert found.running is not stopped


def test_special_containers_are_seen_as_they_are(observed: tuple[EngineMachine, DockerFacts]) -> None:
    found = _containers(observed[1])
    assert [name for name, one in found.items() if one.auto_remove] == ["removed"]
    assert [name for name, one in found.items() if one.published] == ["web"]
    assert found["web"].stop_timeout_s == 77  # as it was given
    assert found["removed"].stop_timeout_s == 10  # Docker's default
    assert (found["paused"].state, found["paused"].running) == ("paused", True)
    assert (found["ended"].exit_code, found["ended"].stopped_by_owner) == (7, False)
    assert found["other-signal"].handles_stop is True


def test_an_engine_that_apt_replaced_is_seen_as_the_older_one(engine: EngineMachine) -> None:
    engine.install_engine(NEWER)
    facts = observe_docker(engine)
    assert _engine(facts).version.startswith(OLDER)
    assert _engine(facts).executable_replaced is True
    assert (facts.version_of("docker.io") or "").startswith(NEWER)
    assert (facts.version_of("docker-cli") or "").startswith(NEWER)
    engine.restart()
    facts = observe_docker(engine)
    assert _engine(facts).version.startswith(NEWER)
    assert _engine(facts).executable_replaced is False


def test_looking_leaves_a_stopped_engine_stopped(engine: EngineMachine) -> None:
    engine.machine.check("systemctl stop docker.service 2>&1")
    facts = observe_docker(engine)
    assert (facts.engine, facts.containers) == (None, None)
    assert (_unit(facts).active_state, _unit(facts).socket_active, _unit(facts).running) == ("inactive", True, False)
    assert engine.engine_pid() == 0
    engine.machine.check("systemctl mask docker.service && systemctl stop docker.socket")
    facts = observe_docker(engine)
    assert (_unit(facts).load_state, _unit(facts).socket_active) == ("masked", False)
    assert (facts.engine, facts.flavour) == (None, Flavour.DOCKER_IO)


def test_looking_ignores_where_the_environment_points(engine: EngineMachine) -> None:
    facts = observe_docker(engine, "DOCKER_HOST=tcp://192.0.2.1:2375 DOCKER_CONTEXT=other")
    assert _engine(facts).version.startswith(OLDER)


def test_an_engine_that_does_not_answer_is_unknown(engine: EngineMachine) -> None:
    engine.machine.check(f"kill -STOP {engine.engine_pid()}")
    facts = observe_docker(engine)
    assert isinstance(facts.engine, Unseen)
    assert isinstance(facts.containers, Unseen)
    engine.machine.check(f"kill -CONT {engine.engine_pid()}")


def test_five_hundred_containers_are_all_seen(engine: EngineMachine) -> None:
    engine.machine.write("/srv/create.py", _CREATE.format(image=IMAGE, many=_MANY))
    engine.machine.check("python3 /srv/create.py", timeout=300)
    found = _containers(observe_docker(engine))
    assert set(found) == {f"c{number}" for number in range(_MANY)}
    assert {one.state for one in found.values()} == {"created"}


def test_docker_ce_is_told_from_the_distributions_engine() -> None:
    with engine_machine(layers=ce_layers()) as engine:
        facts = observe_docker(engine)
        assert facts.flavour is Flavour.DOCKER_CE
        assert facts.version_of("docker-ce") == facts.version_of("docker-ce-cli") == ce_version(OLDER)
        assert facts.version_of("containerd.io") == CONTAINERD_IO[OLDER]
        assert _unit(facts).arguments[0] == "/usr/bin/dockerd"
        assert _engine(facts).executable_replaced is False
