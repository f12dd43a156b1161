"""`maestro.report/1`: the state of this host as exporters send it. Pure: made from the status and from host facts."""

import hashlib
import json
from collections.abc import Mapping

from agent.core.model.host import HostFacts
from agent.core.redact import redact_document
from agent.core.schemas import REPORT_SCHEMA, Document
from agent.report.outbox.stats import OutboxStats
from agent.report.settings import ReportedSettings
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.state.views import PlanView, RunView

NO_INSTANCE = "00000000-0000-0000-0000-000000000000"
"""Placeholder for the stream's instance if there is no outbox; such a report is never sent."""
_UPDATE = ("package", "architecture", "installed", "candidate")
_CVES = ("cves", "cves_complete")
_STEP = (*_UPDATE, "origin", "archive", "new", "security", "download_bytes", *_CVES)
_HELD = (*_UPDATE, "why", "detail", "until", *_CVES)
_FIX = (
    *("package", "architecture", "source", "version", "stage", "pending_since", "installed_at", "waits_for", "units"),
)
_REPAIR = ("package", "architecture", "state")
_FAILURE = ("package", "stage", "error", "detail")
_SOURCE_ERROR = ("source", "fault", "detail", "security")
_OBSERVED = ("generated_at", "seen_at")
_AS_IN_STATUS = ("snoozes", "soak", "reboot", "reboots", "fleet_lock", "docker", "weave", "jobs")
_COUNTS = ("seen_at", "scope", "plan_id", "security_pending", "held", "other", "hidden_security", "esm_only")
_TIMESTAMPS = ("last_started_at", "last_finished_at", "last_exit_code", "next_at")


def report_document(
    status: Mapping[str, object],
    host: HostFacts,
    *,
    version: str,
    instance_id: str = NO_INSTANCE,
    settings: ReportedSettings | None = None,
    outbox: OutboxStats | None = None,
    warnings: tuple[str, ...] = (),
) -> Document:
    """Return `maestro.report/1`, made from `maestro.status/1`; its hash covers the content without timestamps.

    Raises:
        RecordError: the status is malformed.
    """
    found = JsonReader(status, "status")
    plan, run = found.optional_child("plan"), found.optional_child("last_run")
    daemon, services = found.optional_child("daemon"), found.optional_child("services")
    plan_view = PlanView(plan) if plan else None
    document: Document = {
        "schema": REPORT_SCHEMA,
        "generated_at": found.text("generated_at"),
        "host": _host(host, instance_id, settings),
        "agent": _agent(found, daemon, version),
        "kernel": dict(found.child("kernel").raw),
        "release": found.raw.get("release"),
        "lists": _lists(plan_view.lists.raw) if plan_view else None,
        "updates": _updates(plan_view),
        "last_outcome": _last_outcome(RunView(run) if run else None),
        "services": _services(services) if services else None,
        "exposure": _exposure(found.optional_child("exposure")),
        **{name: found.raw.get(name) for name in _AS_IN_STATUS},
        "requests": settings.requests if settings else None,
        "outbox": outbox_section(outbox) if outbox else None,
        "warnings": [*warnings, *(daemon.texts("problems") if daemon else [])],
        "health": found.text("health"),
        "reasons": found.texts("reasons"),
    }
    redacted = {name: redact_document(value) for name, value in document.items()}
    return {**redacted, "hash": _hash(redacted)}


def _host(host: HostFacts, instance_id: str, settings: ReportedSettings | None) -> Document:
    return {
        "id": host.id,
        "instance_id": instance_id,
        "tags": list(settings.tags) if settings else None,
        "boot_id": host.boot_id,
        "booted_at": format_utc(host.booted_at) if host.booted_at else None,
        "name": host.name,
        "os": {"id": host.os_id, "version": host.os_version, "codename": host.os_codename},
        "architecture": host.architecture,
    }


def _agent(status: JsonReader, daemon: JsonReader | None, version: str) -> Document:
    alive = daemon is not None and daemon.boolean("alive")
    automatic, daily_job = status.optional_child("automatic"), status.optional_child("unattended_upgrades")
    return {
        "version": version,
        "started_at": daemon.optional_text("started_at") if daemon else None,
        "state": ("working" if status.raw.get("running") else "idle") if alive else None,
        "automatic": automatic.optional_text("state") if automatic else None,
        "patcher": daily_job.optional_text("patcher") if daily_job else None,
    }


def _services(services: JsonReader) -> Document:
    failed = [one.text("unit") for one in services.optional_children("failed_restarts")]
    return {"deleted_files": services.texts("deleted_files"), "failed_restarts": failed}


def _lists(lists: Mapping[str, object]) -> Document:
    errors = JsonReader(lists, "lists").children("errors")
    return {**_pick(lists, ("state", "updated_at")), "errors": [_pick(error.raw, _SOURCE_ERROR) for error in errors]}


def _updates(plan: PlanView | None) -> Document:
    if plan is None:
        return {**dict.fromkeys(_COUNTS), **dict.fromkeys(("items", "held_items", "esm_only_items", "repair"))}
    no_items: list[Document] | None = None if plan.none is None else []
    return {
        "seen_at": plan.seen_at,
        "scope": plan.scope,
        "plan_id": plan.id,
        "security_pending": sum(1 for step in plan.install if step.raw.get("security") is True) or plan.none,
        "held": len(plan.held) or plan.none,
        "other": plan.other_updates or plan.none,
        "hidden_security": len(plan.hidden_security) or plan.none,
        "esm_only": len(plan.esm_only) or plan.none,
        "items": [_pick(step.raw, _STEP) for step in plan.install] or no_items,
        "held_items": [_pick(held.raw, _HELD) for held in plan.held] or no_items,
        "esm_only_items": [_pick(held.raw, _HELD) for held in plan.esm_only] or no_items,
        "repair": [_pick(repair.raw, _REPAIR) for repair in plan.repair],
    }


def _last_outcome(run: RunView | None) -> Document | None:
    if run is None:
        return None
    return {
        "id": run.id,
        "result": run.result,
        "started_at": format_utc(run.started_at),
        "finished_at": format_utc(run.finished_at) if run.finished_at else None,
        "upgraded": run.upgraded_count,
        "failed": [_pick(failure.raw, _FAILURE) for failure in run.failed],
        "message": run.message,
    }


def _exposure(exposure: JsonReader | None) -> Document | None:
    if exposure is None:
        return None
    fixes = [_pick(fix.raw, _FIX) for fix in exposure.children("fixes")]
    return {**_pick(exposure.raw, ("pending", "installed", "oldest_since")), "fixes": fixes}


def outbox_section(stats: OutboxStats) -> Document:
    """Return the `outbox` of a report."""
    return {
        "depth": stats.events,
        "bytes": stats.size,
        "oldest_at": stats.oldest_at,
        "dropped": stats.dropped,
        "refused": stats.refused,
        "last_sequence": stats.last_sequence,
    }


def _hash(document: Mapping[str, object]) -> str:
    """Return the hash of the content without the timestamps of its observation (docs/endpoint)."""
    content: Document = {name: part for name, part in document.items() if name != "generated_at"}
    for name, left_out in (
        ("agent", ("state",)),
        ("updates", ("seen_at",)),
        ("reboots", ("next_at",)),
        ("docker", _OBSERVED),
        ("weave", _OBSERVED),
    ):
        content[name] = _without(content[name], left_out)
    jobs, outbox = content["jobs"], content["outbox"]
    if isinstance(jobs, Mapping):
        content["jobs"] = {name: _without(entry, _TIMESTAMPS) for name, entry in jobs.items()}
    if isinstance(outbox, Mapping):
        content["outbox"] = {name: outbox[name] for name in ("dropped", "refused")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pick(part: Mapping[str, object], names: tuple[str, ...]) -> Document:
    """Return the members of the report's schema; null where an earlier version did not write one."""
    return {name: part.get(name) for name in names}


def _without(part: object, names: tuple[str, ...]) -> object:
    return {name: value for name, value in part.items() if name not in names} if isinstance(part, Mapping) else part
