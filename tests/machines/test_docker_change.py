"""Upgrades of a real engine by the agent's own steps: every container by name is as before, or all is rolled back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import CHECKOUT
from tests.support.booted import booted
from tests.support.engine_archive import NEWER, OLDER, engine_layers
from tests.support.engine_archive import exact_version as exact
from tests.support.engines import EngineMachine, engine_options

POLICIES = ("no", "always", "unless-stopped", "on-failure:3")


@pytest.fixture
def engine() -> Iterator[EngineMachine]:
    """Return a machine with Debian 12's engine, containers of every policy, and this checkout in /srv/agent."""
    with (
        engine_options() as options,
        booted(*engine_layers(OLDER), options=(*options, f"--bind-ro={CHECKOUT}:/srv/agent")) as running,
    ):
        made = EngineMachine(running)
        made.import_image()
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


def change(engine: EngineMachine, target: str) -> dict[str, Any]:
    """Bring the engine to a version; return how that ended."""
    words = [f"docker.io={exact(engine.machine, 'docker.io', target)}"]
    words.append(f"docker-cli={exact(engine.machine, 'docker-cli', NEWER)}" if target == NEWER else "docker-cli")
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
