"""`docker upgrade` killed on a machine with a real engine: the next check finishes it; live-restore for one restart."""

import json

import pytest

from tests.support.engines import NEWER, OLDER, EngineMachine
from tests.support.held import staying_in
from tests.support.recorded import RECORD, Kept

pytestmark = pytest.mark.xdist_group("engines-4")
MANIFEST = "/etc/maestro-agent/manifest.yml"
SNAPSHOT = f"{RECORD}/docker-snapshot.json"
CONFIG = "/etc/docker/daemon.json"
OWNERS = '{\n\t"log-driver":  "json-file", "live-restore": false }'


def prepared(kept_engine: tuple[Kept, EngineMachine]) -> tuple[Kept, EngineMachine]:
    """Have containers of several policies, one that ignores the stop signal, one that its owner stopped; a manifest."""
    kept, engine = kept_engine
    for policy in ("no", "always", "unless-stopped"):
        engine.run_container(policy, policy=policy)
    engine.run_container("slow", policy="unless-stopped", handles_stop=False, stop_timeout=5)
    engine.run_container("off", policy="always")
    engine.docker("stop off")
    engine.machine.write(MANIFEST, f"docker:\n  configuration:\n    docker_version: {NEWER}\n")
    kept.agent("check")
    return kept, engine


def kill_in(phase: str, kept: Kept, engine: EngineMachine) -> None:
    """Start an upgrade, and kill its job as soon as a phase is on record."""
    with staying_in(engine.machine, "restoring"):  # the others take seconds
        command = engine.machine.start("maestro-agent docker upgrade --json")
        kept.wait(f"phase {phase}", f"""grep -q '"phase": "{phase}"' {SNAPSHOT}""", 200)
        engine.machine.check(f"kill -9 $(cut -d' ' -f1 {RECORD}/running)")
        command.communicate(timeout=60)


@pytest.mark.parametrize("phase", ["packages", "restarting", "restoring"])
def test_an_upgrade_that_is_killed_is_finished_by_the_next_check(
    kept_engine: tuple[Kept, EngineMachine], phase: str
) -> None:
    kept, engine = prepared(kept_engine)
    before = engine.states()

    kill_in(phase, kept, engine)
    kept.agent("check --wait", timeout=400)

    _check_end(kept, engine, before)


def test_docker_ce_that_is_killed_between_unpacking_and_configuring_is_finished_by_the_next_check(
    kept_docker_ce: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_docker_ce)
    before = engine.states()

    kill_in("restarting", kept, engine)
    state = engine.machine.check("dpkg-query -W -f '${db:Status-Status}' docker-ce")
    kept.agent("check --wait", timeout=400)

    assert state == "unpacked"
    _check_end(kept, engine, before, package="docker-ce")


def test_a_machine_that_is_reset_in_the_middle_of_the_restart_ends_with_every_container(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    before = engine.states()

    kill_in("restarting", kept, engine)
    engine.machine.reboot(orderly=False)
    kept.agent("check --wait", timeout=400)

    _check_end(kept, engine, before)


def test_a_request_to_stop_ahead_of_the_restart_takes_the_packages_back_without_an_outage(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    before, pid = engine.states(), engine.engine_pid()

    command = engine.machine.start("maestro-agent docker upgrade --json")
    kept.wait("packages", f"""grep -q '"phase": "packages"' {SNAPSHOT}""", 200)
    engine.machine.check("systemctl stop 'maestro-agent-worker@*'", timeout=300)
    command.communicate(timeout=60)

    assert kept.agent("history last --json").json["result"] == "interrupted"
    assert (engine.engine_version(), engine.engine_pid(), engine.states()) == (OLDER, pid, before)
    assert (engine.machine.version("docker.io") or "").startswith(OLDER)
    assert not engine.machine.path(SNAPSHOT).exists()


def test_live_restore_is_on_for_the_restart_and_daemon_json_is_the_owners_afterwards(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    engine.configure(OWNERS)
    engine.machine.write("/etc/maestro-agent/config.d/20-docker.toml", "[docker]\nlive_restore = true\n")
    before, pids = engine.states(), engine.pids()

    plan = kept.agent("docker plan --json").json
    done = kept.agent("docker upgrade --json", timeout=400)

    assert "live-restore" in plan["order"]
    assert (done.code, done.json["result"], done.json["running"]) == (0, "upgraded", NEWER)
    assert (engine.states(), engine.pids()) == (before, pids)
    assert done.json["downtime"]["containers"] == {}
    assert engine.machine.path(CONFIG).read_text() == OWNERS
    engine.wait("live-restore is off", "docker info --format '{{.LiveRestoreEnabled}}' | grep -q false")
    assert engine.machine.check("cd /etc/docker && echo daemon.json*").split() == ["daemon.json"]


def test_a_kill_while_live_restore_is_switched_on_leaves_the_owners_file_too(
    kept_engine: tuple[Kept, EngineMachine],
) -> None:
    kept, engine = prepared(kept_engine)
    engine.configure(OWNERS)
    engine.machine.write("/etc/maestro-agent/config.d/20-docker.toml", "[docker]\nlive_restore = true\n")
    before, pids = engine.states(), engine.pids()

    kill_in("restarting", kept, engine)
    meanwhile = engine.machine.path(CONFIG).read_text()
    kept.agent("check --wait", timeout=400)

    assert meanwhile != OWNERS
    assert engine.machine.path(CONFIG).read_text() == OWNERS
    assert engine.machine.check("cd /etc/docker && echo daemon.json*").split() == ["daemon.json"]
    assert engine.pids() == pids
    _check_end(kept, engine, before)


def _check_end(kept: Kept, engine: EngineMachine, before: dict[str, str], *, package: str = "docker.io") -> None:
    newest = kept.agent("history last --json").json
    assert newest["result"] in {"upgraded", "rolled-back", "interrupted"}
    version = engine.engine_version()
    assert version == (NEWER if newest["result"] == "upgraded" else OLDER)
    assert f":{engine.machine.version(package)}".rpartition(":")[2].startswith(version)
    assert engine.states() == before
    assert not engine.machine.path(SNAPSHOT).exists()
    assert engine.machine.check("dpkg --audit") == ""
    engine.machine.check("apt-get check")
    assert json.loads(engine.machine.path(f"{RECORD}/state.json").read_text())["docker"]["running"] == version
