"""`maestro.weave-snapshot/1`: Weave before a change, for the run after a crash. Pure. Decoders raise RecordError."""

from datetime import datetime

from agent.core.model.docker import WeaveAttachment
from agent.core.model.weave import RouterArguments, RouterReport
from agent.core.schemas import WEAVE_SNAPSHOT_SCHEMA, Document
from agent.core.weave.snapshot import AttachedContainer, SavedScript, WeaveNetwork, WeavePhase, WeaveSnapshot
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc


def weave_snapshot_to_document(snapshot: WeaveSnapshot, generated_at: datetime) -> Document:
    """Return `maestro.weave-snapshot/1`; it has no password."""
    return {
        "schema": WEAVE_SNAPSHOT_SCHEMA,
        "generated_at": format_utc(generated_at),
        "run_id": snapshot.run_id,
        "taken_at": format_utc(snapshot.taken_at),
        "phase": snapshot.phase.value,
        "boot_id": snapshot.boot_id,
        "script": _script_to_document(snapshot.script),
        "from": snapshot.before,
        "to": snapshot.target,
        "to_sha256": snapshot.target_sha256,
        "user": snapshot.user,
        "runs": snapshot.runs,
        "unit": snapshot.unit,
        "arguments": None if snapshot.arguments is None else _arguments_to_document(snapshot.arguments),
        "router": None if snapshot.report is None else _report_to_document(snapshot.report),
        "network": _network_to_document(snapshot.network),
        "reason": snapshot.reason,
        "hooked": snapshot.hooked,
    }


def weave_snapshot_from_document(document: JsonReader) -> WeaveSnapshot:
    """Return the snapshot; its time is to the second."""
    arguments, report = document.optional_child("arguments"), document.optional_child("router")
    return WeaveSnapshot(
        run_id=document.text("run_id"),
        taken_at=document.time("taken_at"),
        phase=enum_from_document(document, "phase", WeavePhase),
        boot_id=document.text("boot_id"),
        script=_script_from_document(document.child("script")),
        before=document.text("from"),
        target=document.text("to"),
        target_sha256=document.text("to_sha256"),
        user=document.text("user"),
        runs=document.boolean("runs"),
        unit=document.text("unit"),
        arguments=None if arguments is None else _arguments_from_document(arguments),
        report=None if report is None else _report_from_document(report),
        network=_network_from_document(document.child("network")),
        reason=document.text("reason"),
        hooked=document.optional_boolean("hooked") or False,
    )


def _script_to_document(script: SavedScript) -> Document:
    return {
        "path": script.path,
        "version": script.version,
        "sha256": script.sha256,
        "mode": script.mode,
        "uid": script.owner[0],
        "gid": script.owner[1],
    }


def _script_from_document(part: JsonReader) -> SavedScript:
    return SavedScript(
        path=part.text("path"),
        version=part.text("version"),
        sha256=part.text("sha256"),
        mode=int(part.number("mode")),
        owner=(int(part.number("uid")), int(part.number("gid"))),
    )


def _arguments_to_document(arguments: RouterArguments) -> Document:
    return {
        "words": list(arguments.words),
        "environment": dict(arguments.environment),
        "encrypted": arguments.encrypted,
        "peers": list(arguments.peers),
        "range": arguments.ipalloc_range,
        "restart": arguments.restart,
    }


def _arguments_from_document(part: JsonReader) -> RouterArguments:
    variables = part.child("environment")
    return RouterArguments(
        words=tuple(part.texts("words")),
        environment=tuple((name, variables.text(name)) for name in variables.raw),
        encrypted=part.boolean("encrypted"),
        peers=tuple(part.texts("peers")),
        ipalloc_range=part.text("range"),
        restart=part.boolean("restart"),
    )


def _report_to_document(report: RouterReport) -> Document:
    return {
        "version": report.version,
        "ready": report.ready,
        "peer_name": report.peer_name,
        "nickname": report.nickname,
        "targets": list(report.targets),
        "established": list(report.established),
        "failed": list(report.failed),
        "range": report.ipam_range,
        "addresses_ready": report.ipam_ready,
        "active_addresses": report.active_addresses,
    }


def _report_from_document(part: JsonReader) -> RouterReport:
    return RouterReport(
        version=part.text("version"),
        ready=part.boolean("ready"),
        peer_name=part.text("peer_name"),
        nickname=part.text("nickname"),
        targets=tuple(part.texts("targets")),
        established=tuple(part.texts("established")),
        failed=tuple(part.texts("failed")),
        ipam_range=part.text("range"),
        ipam_ready=part.optional_boolean("addresses_ready"),
        active_addresses=int(part.number("active_addresses")),
    )


def _network_to_document(network: WeaveNetwork) -> Document:
    return {"id": network.id, "containers": [_container_to_document(one) for one in network.containers]}


def _network_from_document(part: JsonReader) -> WeaveNetwork:
    return WeaveNetwork(
        id=part.text("id"), containers=tuple(_container_from_document(one) for one in part.children("containers"))
    )


def _container_to_document(one: AttachedContainer) -> Document:
    return {
        "id": one.id,
        "name": one.name,
        "weave": one.attachment.value,
        "running": one.running,
        "address": one.address,
        "fixed_address": one.fixed_address,
        "aliases": list(one.aliases),
        "network_id": one.network_id,
        "fell": one.fell,
    }


def _container_from_document(part: JsonReader) -> AttachedContainer:
    return AttachedContainer(
        id=part.text("id"),
        name=part.text("name"),
        attachment=enum_from_document(part, "weave", WeaveAttachment),
        running=part.boolean("running"),
        address=part.text("address"),
        fixed_address=part.text("fixed_address"),
        aliases=tuple(part.texts("aliases")),
        network_id=part.text("network_id"),
        fell=part.boolean("fell"),
    )
