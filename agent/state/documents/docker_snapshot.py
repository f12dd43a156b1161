"""`maestro.docker-snapshot/1`: Docker before a change, for the run after a crash. Pure. Decoders raise RecordError."""

from datetime import datetime

from agent.core.docker.snapshot import DockerSnapshot, KeptArchive, Phase, SavedPackage
from agent.core.model.docker import Container, RestartPolicy, WeaveAttachment
from agent.core.schemas import DOCKER_SNAPSHOT_SCHEMA, Document
from agent.state.documents.engine_outcome import package_change_from_document, package_change_to_document
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def snapshot_to_document(snapshot: DockerSnapshot, generated_at: datetime) -> Document:
    """Return `maestro.docker-snapshot/1`."""
    containers = snapshot.containers
    return {
        "schema": DOCKER_SNAPSHOT_SCHEMA,
        "generated_at": format_utc(generated_at),
        "run_id": snapshot.run_id,
        "taken_at": format_utc(snapshot.taken_at),
        "phase": snapshot.phase.value,
        "engine_version": snapshot.engine_version,
        "target_version": snapshot.target_version,
        "changes": [package_change_to_document(change) for change in snapshot.changes],
        "packages": [_package_to_document(package) for package in snapshot.packages],
        "unit_active": snapshot.unit_active,
        "boot_id": snapshot.boot_id,
        "live_restore": snapshot.live_restore,
        "containers": None if containers is None else [_container_to_document(one) for one in containers],
        "archives": [{"package": one.package, "file": one.file} for one in snapshot.archives],
        "main_pid": snapshot.main_pid,
        "reason": snapshot.reason,
        "switch_live_restore": snapshot.switch_live_restore,
        "socket_active": snapshot.socket_active,
        "hooked": snapshot.hooked,
    }


def snapshot_from_document(document: JsonReader) -> DockerSnapshot:
    """Return the snapshot; its time is to the second."""
    known = document.raw.get("containers") is not None
    return DockerSnapshot(
        run_id=document.text("run_id"),
        taken_at=document.time("taken_at"),
        phase=enum_from_document(document, "phase", Phase),
        engine_version=document.optional_text("engine_version"),
        target_version=document.optional_text("target_version"),
        changes=tuple(package_change_from_document(part) for part in document.children("changes")),
        packages=tuple(_package_from_document(part) for part in document.children("packages")),
        unit_active=document.boolean("unit_active"),
        boot_id=document.text("boot_id"),
        live_restore=document.boolean("live_restore"),
        containers=tuple(map(_container_from_document, document.children("containers"))) if known else None,
        archives=tuple(
            KeptArchive(package=part.text("package"), file=part.text("file"))
            for part in document.optional_children("archives")
        ),
        main_pid=_optional_integer(document, "main_pid"),
        reason=document.optional_text("reason") or "",
        switch_live_restore=document.optional_boolean("switch_live_restore") or False,
        socket_active=document.optional_boolean("socket_active") or False,
        hooked=document.optional_boolean("hooked") or False,
    )


def _package_to_document(package: SavedPackage) -> Document:
    return {
        "package": package.package,
        "version": package.version,
        "on_hold": package.on_hold,
        "file": package.file,
    }


def _package_from_document(part: JsonReader) -> SavedPackage:
    return SavedPackage(
        package=part.text("package"),
        version=part.text("version"),
        on_hold=part.boolean("on_hold"),
        file=part.text("file"),
    )


def _container_to_document(container: Container) -> Document:
    return {
        "id": container.id,
        "name": container.name,
        "state": container.state,
        "policy": container.policy.value,
        "auto_remove": container.auto_remove,
        "stop_timeout_s": container.stop_timeout_s,
        "handles_stop": container.handles_stop,
        "stopped_by_owner": container.stopped_by_owner,
        "exit_code": container.exit_code,
        "started_at": container.started_at,
        "pid": container.pid,
        "networks": list(container.networks),
        "published": container.published,
        "swarm_task": container.swarm_task,
        "weave": container.weave.value,
        "weave_address": container.weave_address,
        "weave_paths": container.weave_paths,
        "error": container.error,
    }


def _container_from_document(part: JsonReader) -> Container:
    return Container(
        id=part.text("id"),
        name=part.text("name"),
        state=part.text("state"),
        policy=enum_from_document(part, "policy", RestartPolicy),
        auto_remove=part.boolean("auto_remove"),
        stop_timeout_s=int(part.number("stop_timeout_s")),
        handles_stop=part.optional_boolean("handles_stop"),
        stopped_by_owner=part.optional_boolean("stopped_by_owner"),
        exit_code=_optional_integer(part, "exit_code"),
        started_at=part.text("started_at"),
        pid=_optional_integer(part, "pid"),
        networks=tuple(part.texts("networks")),
        published=part.boolean("published"),
        swarm_task=part.boolean("swarm_task"),
        weave=enum_from_document(part, "weave", WeaveAttachment),
        weave_address=part.optional_text("weave_address") or "",
        weave_paths=part.boolean("weave_paths"),
        error=part.text("error"),
    )


def _optional_integer(part: JsonReader, key: str) -> int | None:
    return None if part.raw.get(key) is None else int(part.number(key))
