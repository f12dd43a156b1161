"""Takes the snapshot of Docker that a change starts from, with the archives of before and after."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.core.docker.snapshot import DockerSnapshot, KeptArchive, Phase, SavedPackage, obstacle, unit_active
from agent.core.engine_ports import RuntimeArchives
from agent.core.model.docker import DockerFacts, EngineUnit, RunningEngine
from agent.core.model.engine_plan import PackageChange
from agent.errors import HostError


def keep_archives(
    archives: RuntimeArchives, changes: Sequence[PackageChange]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Keep the archives of before and after; return both as file name by package.

    Raises:
        HostError: one cannot be had, so that there would be no way back or forward; nothing was changed.
    """
    before = archives.keep({one.package: one.before for one in changes if one.before is not None})
    after = archives.keep({one.package: one.after for one in changes if one.after is not None})
    return before, after


def take_snapshot(
    docker: DockerFacts,
    changes: Sequence[PackageChange],
    kept: tuple[Mapping[str, str], Mapping[str, str]],
    *,
    run_id: str,
    target: str | None,
    boot_id: str,
    now: datetime,
    live_restore: bool = False,
) -> DockerSnapshot:
    """Return the snapshot, given the archives that `keep_archives` keeps; with `live_restore` for a restart with it.

    Raises:
        HostError: something that is needed is unknown; nothing was changed.
    """
    if problem := obstacle(docker):
        raise HostError(f"nothing was changed: {problem}")
    engine = docker.engine if isinstance(docker.engine, RunningEngine) else None
    unit = docker.unit if isinstance(docker.unit, EngineUnit) else None
    return DockerSnapshot(
        run_id=run_id,
        taken_at=now,
        phase=Phase.PREPARED,
        engine_version=engine.version if engine else None,
        target_version=target,
        changes=tuple(changes),
        packages=_saved(docker, kept[0]),
        unit_active=unit_active(docker),
        boot_id=boot_id,
        live_restore=engine.live_restore if engine else False,
        containers=docker.containers if isinstance(docker.containers, tuple) else None,
        archives=tuple(KeptArchive(package=package, file=file) for package, file in sorted(kept[1].items())),
        main_pid=unit.main_pid if unit else None,
        switch_live_restore=live_restore and engine is not None and not docker.keeps_containers,
        socket_active=unit.socket_active if unit else False,
    )


def _saved(docker: DockerFacts, files: Mapping[str, str]) -> tuple[SavedPackage, ...]:
    return tuple(
        SavedPackage(package=one.package, version=one.version, on_hold=one.on_hold, file=files.get(one.package, ""))
        for one in docker.packages
    )
