"""Reports and events as the agent sends them: a complete report, one without any value, and each type of event."""

import copy
import json
from typing import Any

from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from tests.conftest import CHECKOUT
from tests.report.given_reboot_outcome import REBOOTED

Raw = dict[str, Any]
MOMENT = "2026-11-23T08:10:00Z"
UNIX = 1795421400
HOST = "978a225b-3d7b-40e9-acd7-ce9b62f68444"
INSTANCE = "0c2d1f0e-4a3b-4c5d-8e6f-708192a3b4c5"
BOOT = "11111111-2222-4333-8444-555555555555"


def golden(name: str) -> Raw:
    document: Raw = json.loads((CHECKOUT / f"tests/golden/{name}.json").read_text())
    return document


def without_source(parts: list[Raw]) -> list[Raw]:
    """Return updates as reports have them: without their source package."""
    return [{name: value for name, value in part.items() if name != "source"} for part in parts]


def engine(component: str) -> Raw:
    """Return an engine whose restart is pending."""
    return {
        "schema": "maestro.engine-plan/1",
        "generated_at": MOMENT,
        "id": "0123456789ab",
        "component": component,
        "unseen": None,
        "seen_at": MOMENT,
        "flavour": "docker-io",
        "installed": "26.1.5",
        "running": "20.10.24",
        "running_known": True,
        "wanted": "26.1.5",
        "candidate": "26.1.5",
        "packages": [],
        "restart_needed": True,
        "restart_pending": True,
        "downtime": {"expected_s": None, "basis": []},
        "containers": [],
        "blocked": [],
        "warnings": [],
        "order": [],
        "last_upgrade": {
            "id": "20261101T010203Z",
            "result": {"docker": "rolled-back", "weave": "failed-needs-attention"}[component],
            "started_at": MOMENT,
            "finished_at": MOMENT,
            "from": "20.10.24",
            "to": "26.1.5",
            "running": "20.10.24",
            "engine_s": 2.5,
            "containers_lost": [],
            "message": "",
        },
    }


def full() -> Raw:
    """Return a complete report."""
    plan, status = golden("plan"), golden("status")
    job = {"last_started_at": MOMENT, "last_finished_at": MOMENT, "last_exit_code": 10, "next_at": MOMENT}
    return {
        "schema": "maestro.report/1",
        "generated_at": MOMENT,
        "hash": "0123456789abcdef",
        "host": {
            "id": HOST, "instance_id": INSTANCE, "boot_id": BOOT, "booted_at": MOMENT, "name": "web-1",
            "os": {"id": "debian", "version": "12", "codename": "bookworm"}, "architecture": "amd64",
        },
        "agent": {"version": "0.5.0", "started_at": MOMENT, "state": "idle", "automatic": "on", "patcher": "agent"},
        "kernel": {"running": "6.1.0-1-amd64", "newest": "6.1.0-3-amd64", "outdated": True},
        "release": status["release"],
        "snoozes": [
            {
                "what": "CVE-2026-0001", "until": MOMENT, "comment": "not reachable here", "by": "alice", "at": MOMENT,
            },
        ],
        "soak": {"security_s": 604800, "other_s": 1209600, "rollout_s": 864000, "cohort": 28, "override": []},
        "lists": plan["lists"],
        "updates": {
            "seen_at": MOMENT, "scope": "security", "security_pending": len(plan["install"]),
            "held": len(plan["held"]), "other": 7, "hidden_security": 1, "esm_only": len(plan["esm_only"]),
            "esm_only_items": without_source(plan["esm_only"]),
            "items": without_source(plan["install"]), "held_items": without_source(plan["held"]),
            "repair": plan["repair"],
        },
        "last_outcome": {
            "id": "7-1", "result": "degraded", "started_at": MOMENT, "finished_at": MOMENT, "upgraded": 3,
            "failed": golden("outcome")["failed"], "message": "1 failed",
        },
        "reboot": {"required": True, "packages": ["linux-image-6.1.0-3-amd64"], "since": MOMENT},
        "reboots": {
            "last": {
                "id": "20261123T020000Z", "result": "rebooted", "origin": "policy", "started_at": MOMENT,
                "finished_at": MOMENT, "downtime_s": 42.5, "why": None, "lock": "released",
                "problems": [{"code": "unit-failed", "detail": "nginx.service has failed since the boot"}],
            },
            "scheduled": {
                "at": MOMENT, "until": MOMENT, "if_required": True, "requested_by": "alice", "comment": "kernel",
            },
            "next_at": MOMENT,
            "waiting": {"gate": "sessions", "why": "sessions", "detail": "alice is logged in"},
        },
        "fleet_lock": {
            "phase": "held", "group": "web", "url": "https://lock.example.org", "id": "host-a", "since": MOMENT,
            "run_id": "20261123T020000Z", "kept": "nginx.service has failed since the boot",
            "refusal": {
                "call": "release", "since": MOMENT, "at": MOMENT, "why": "lock-unreachable", "detail": "HTTP 503",
            },
        },
        "services": {"deleted_files": ["ssh.service", "cron.service"], "failed_restarts": ["app.service"]},
        "exposure": {
            "pending": 1, "installed": 1, "oldest_since": MOMENT,
            "fixes": [
                {
                    "package": "libssl3", "architecture": "amd64", "source": "openssl", "version": "3.0.15-1",
                    "stage": "installed", "pending_since": MOMENT, "installed_at": MOMENT, "waits_for": "restart",
                    "units": ["cron.service"],
                },
                {
                    "package": "curl", "architecture": "amd64", "source": "curl", "version": "7.88.1-10+deb12u7",
                    "stage": "pending", "pending_since": MOMENT, "installed_at": None, "waits_for": "upgrade",
                    "units": [],
                },
            ],
        },
        "docker": engine("docker"),
        "weave": engine("weave"),
        "jobs": {"check": {**job, "consecutive_failures": 0}, "upgrade": {**job, "consecutive_failures": 2}},
        "outbox": {
            "depth": 4, "bytes": 1234, "oldest_at": MOMENT, "dropped": 5, "refused": 1, "last_sequence": 19,
        },
        "warnings": ["the clock is 40 s behind"],
        "health": status["health"],
        "reasons": status["reasons"],
    }  # fmt: skip


def unknown() -> Raw:
    """Return the report of a newly installed agent without any information."""
    report = full()
    report["host"].update(boot_id=None, booted_at=None, name=None, architecture=None)
    report["host"]["os"] = dict.fromkeys(report["host"]["os"])
    report["agent"].update(started_at=None, state=None, automatic=None, patcher=None)
    for part in ("kernel", "updates"):
        report[part] = dict.fromkeys(report[part])
    parts = (
        "release",
        "snoozes",
        "soak",
        "lists",
        "last_outcome",
        "reboot",
        "reboots",
        "fleet_lock",
        "services",
        "exposure",
        "docker",
        "weave",
        "jobs",
        "outbox",
    )
    for part in parts:
        report[part] = None
    return {**report, "warnings": [], "reasons": [], "health": "unknown"}


DOCUMENTS: dict[str, Raw] = {
    "outbox-begun": {"previous_instance_id": None, "reason": "new"},
    "outcome": golden("outcome"),
    "agent-started": {"version": "0.5.0", "previous_version": None, "started_at": MOMENT, "boot_id": BOOT},
    "rebooted": {"boot_id": BOOT, "previous_boot_id": None, "booted_at": MOMENT, "kernel": "6.1.0-3-amd64"},
    "reboot-outcome": reboot_outcome_to_document(REBOOTED, REBOOTED.started_at),
    "reboot-required": {"packages": ["linux-image-amd64", "libc6"], "since": MOMENT},
    "reboot-cleared": {"packages": ["libc6"], "since": None},
    "job-failed": {"job": "check", "exit_code": 1, "consecutive_failures": 3, "message": "no network"},
    "messages-lost": {"count": 7, "first_sequence": 2, "last_sequence": 8, "reason": "too-old"},
}
"""Each type of event with a document."""


def event(kind: str, document: Raw | None = None, *, sequence: int = 1) -> Raw:
    """Return a message of `maestro.batch/1`."""
    body = {
        "schema": "maestro.event/1", "type": kind, "at": MOMENT,
        "document": copy.deepcopy(DOCUMENTS.get(kind, {}) if document is None else document),
    }  # fmt: skip
    return {"key": f"{sequence:016d}", "kind": "event", "sequence": sequence, "created_at": MOMENT, "body": body}


def events() -> list[Raw]:
    """Return one of each type."""
    return [event(kind, sequence=number) for number, kind in enumerate(DOCUMENTS, 1)]
