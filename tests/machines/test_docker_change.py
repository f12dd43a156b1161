"""Upgrades of a real engine by the agent's own steps: every container by name is as before, or all is rolled back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from tests.support.booted import booted
from tests.support.engine_archive import NEWER, OLDER, engine_layers
from tests.support.engine_archive import exact_version as exact
from tests.support.engine_packages import CONTAINERD_IO, ce_layers, ce_version
from tests.support.engines import EngineMachine, engine_options

pytestmark = pytest.mark.xdist_group("engines-6")
POLICIES = ("no", "always", "unless-stopped", "on-failure:3")


@contextmanager
def beside_checkout(layers: tuple[Path, ...]) -> Iterator[EngineMachine]:
    """Boot a machine with an engine, and this checkout in /srv/agent."""
    with (
        engine_options() as options,
        booted(*layers, options=(*options, f"--bind-ro={CHECKOUT}:/srv/agent")) as running,
    ):
        made = EngineMachine(running)
        made.import_image()
        yield made


@pytest.fixture
def engine() -> Iterator[EngineMachine]:
    """Return a machine with Debian 12's engine, containers of every policy, and this checkout."""
    with beside_checkout(engine_layers(OLDER)) as made:
        for policy in POLICIES:
            name = policy.partition(":")[0]
            for handles in (True, False):
                made.run_container(
                    f"{name}-{'good' if handles else 'bad'}", policy=policy, handles_stop=handles, stop_timeout=3
                )
            made.run_container(f"{name}-off", policy=policy)
            made.docker(f"stop {name}-off")
        made.run_container("once", auto_remove=True)
        yield made


@pytest.fixture
def docker_ce() -> Iterator[EngineMachine]:
    """Return a machine with Docker CE's packages, a container that handles the stop signal, and one that does not."""
    with beside_checkout(ce_layers()) as made:
        made.run_container("good", policy="always")
        made.run_container("bad", policy="always", handles_stop=False, stop_timeout=15)
        yield made


def change(engine: EngineMachine, target: str) -> dict[str, Any]:
    """Bring the engine to a version; return how that ended."""
    client = f"docker-cli={exact(engine.machine, 'docker-cli', NEWER)}" if target == NEWER else "docker-cli"
    return bring(engine, target, f"docker.io={exact(engine.machine, 'docker.io', target)}", client)


def change_ce(engine: EngineMachine, target: str) -> dict[str, Any]:
    """Bring Docker CE to a version; return how that ended."""
    versions = {"docker-ce": ce_version(target), "docker-ce-cli": ce_version(target)}
    versions["containerd.io"] = CONTAINERD_IO[target]
    return bring(engine, target, *(f"{name}={version}" for name, version in versions.items()))


def bring(engine: EngineMachine, target: str, *words: str) -> dict[str, Any]:
    """Bring the engine to a version by these packages; return how that ended."""
    command = f"cd /srv/agent && python3 -B -m tests.support.change_docker {target} {' '.join(words)}"
    output = engine.machine.check(command, timeout=400)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def test_an_upgrade_and_the_way_back_leave_every_container_as_it_was(engine: EngineMachine) -> None:
    before = engine.states()
    engine.machine.check("apt-mark hold docker.io")

    up = change(engine, NEWER)
    after = engine.states()
    version = engine.engine_version()
    down = change(engine, OLDER)

    assert (up["result"], up["faults"], up["errors"]) == ("upgraded", "", {})
    assert version == NEWER
    assert after == {name: state for name, state in before.items() if name != "once"}
    assert up["stopped"] == ["always-off"]
    assert (down["result"], engine.engine_version()) == ("upgraded", OLDER)
    assert engine.machine.check("apt-mark showhold").split() == ["docker.io"]
    assert engine.states() == after


def test_an_engine_that_refuses_its_configuration_is_rolled_back_without_an_outage(engine: EngineMachine) -> None:
    before, pids = engine.states(), engine.pids()
    engine.configure('{"oom-score-adjust": -500}')

    found = change(engine, NEWER)

    assert (found["result"], found["rollback"][0]) == ("rolled-back", True)
    assert engine.engine_version() == OLDER
    assert engine.machine.version("docker.io") == exact(engine.machine, "docker.io", OLDER)
    assert engine.machine.version("docker-cli") is None
    assert (engine.states(), engine.pids()) == (before, pids)


def test_an_engine_that_dies_at_its_start_is_rolled_back_and_the_containers_run(engine: EngineMachine) -> None:
    before = engine.states()

    engine.machine.write(
        "/etc/systemd/system/docker.service.d/dies.conf",
        "[Service]\nExecStartPre=/bin/sh -c '! grep -q 26.1.5 /usr/sbin/dockerd'\n",
    )

    found = change(engine, NEWER)

    assert (found["result"], found["rollback"][0]) == ("rolled-back", True)
    assert engine.engine_version() == OLDER
    assert engine.states() == {name: state for name, state in before.items() if name != "once"}


def test_docker_ce_is_restarted_by_its_postinst_after_the_slow_container_was_stopped(docker_ce: EngineMachine) -> None:
    up = change_ce(docker_ce, NEWER)
    ended = {name: times(docker_ce, name)[0] for name in ("good", "bad")}
    down = change_ce(docker_ce, OLDER)

    assert (up["result"], up["faults"], up["errors"]) == ("upgraded", "", {})
    assert up["phases"] == ["packages", "restarting", "restoring"]
    assert ended["bad"] < ended["good"]
    assert (down["result"], docker_ce.engine_version()) == ("upgraded", OLDER)
    assert docker_ce.running() == {"good", "bad"}


def test_docker_ce_runs_on_where_it_refuses_its_configuration(docker_ce: EngineMachine) -> None:
    pid, pids = docker_ce.engine_pid(), docker_ce.pids()
    docker_ce.configure('{"oom-score-adjust": -500}')

    found = change_ce(docker_ce, NEWER)

    assert (found["result"], found["rollback"][0]) == ("rolled-back", True)
    assert docker_ce.machine.version("docker-ce") == ce_version(OLDER)
    assert (docker_ce.engine_pid(), docker_ce.pids()) == (pid, pids)


def times(engine: EngineMachine, name: str) -> tuple[str, str]:
    """Return when a container ended last and when it started, as timestamps of the same form."""
    ended, started = engine.docker(
        f"inspect --format '{{{{.State.FinishedAt}}}} {{{{.State.StartedAt}}}}' {name}"
    ).split()
    return ended, started
