"""Docker with one engine and healthy containers; a test changes the one thing that it is about."""

from dataclasses import replace
from typing import Any

from agent.core.docker.snapshot import DockerSnapshot, Phase, SavedPackage
from agent.core.model.docker import (
    Container,
    DaemonConfig,
    DockerFacts,
    EngineUnit,
    Flavour,
    RestartPolicy,
    RunningEngine,
    RuntimePackage,
    SwarmState,
)
from agent.core.model.engine_plan import PackageChange
from tests.core.given import BOOT, NOW

OLD = "20.10.24+dfsg1-1+deb12u1+b6"
NEW = "26.1.5+dfsg1-9+deb13u1+b1"

UNIT = EngineUnit(
    name="docker.service",
    load_state="loaded",
    active_state="active",
    unit_file_state="enabled",
    main_pid=100,
    stop_timeout_s=90.0,
    arguments=("/usr/sbin/dockerd", "-H", "fd://"),
    socket_active=True,
)
ENGINE = RunningEngine(
    version="26.1.5+dfsg1",
    api_version="1.45",
    min_api_version="1.24",
    executable_replaced=False,
    live_restore=False,
    swarm=SwarmState.INACTIVE,
    swarm_manager=False,
    data_root="/var/lib/docker",
    storage_driver="overlay2",
)
LIVE_RESTORE = DaemonConfig(present=True, live_restore=True)
OLD_ENGINE = replace(ENGINE, version="20.10.24+dfsg1", api_version="1.41", min_api_version="1.12")


def container(name: str = "web", state: str = "running", **fields: Any) -> Container:
    """Return a container that runs and handles the stop signal."""
    running = state in {"running", "paused"}
    healthy = Container(
        id=f"id-{name}",
        name=name,
        state=state,
        policy=RestartPolicy.ALWAYS,
        auto_remove=False,
        stop_timeout_s=10,
        handles_stop=True,
        stopped_by_owner=not running,
        exit_code=None if running else 0,
        started_at="2026-11-23T05:00:00Z",
        pid=200 if running else None,
    )
    return replace(healthy, **fields)


def docker(*containers: Container, **fields: Any) -> DockerFacts:
    """Return Docker after an upgrade that succeeded."""
    healthy = DockerFacts(
        flavour=Flavour.DOCKER_IO,
        packages=(RuntimePackage(package="docker.io", version=NEW),),
        unit=UNIT,
        engine=ENGINE,
        containers=containers,
    )
    return replace(healthy, **fields)


def snapshot(*containers: Container, **fields: Any) -> DockerSnapshot:
    """Return what was saved before that upgrade."""
    saved = SavedPackage(package="docker.io", version=OLD, on_hold=False, file="docker.io.deb")
    healthy = DockerSnapshot(
        run_id="20261123T051000Z",
        taken_at=NOW,
        phase=Phase.PREPARED,
        engine_version="20.10.24+dfsg1",
        target_version="26.1.5",
        changes=(
            PackageChange(package="docker.io", before=OLD, after=NEW),
            PackageChange(package="docker-cli", before=None, after=NEW),
        ),
        packages=(saved,),
        unit_active=True,
        boot_id=BOOT,
        live_restore=False,
        containers=containers,
        main_pid=UNIT.main_pid,
    )
    return replace(healthy, **fields)
