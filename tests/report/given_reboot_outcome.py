"""Outcomes of reboots, as documents: one of each result."""

from typing import Any

from agent.core.schemas import REBOOT_OUTCOME_SCHEMA
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView

Fields = dict[str, Any]

SESSIONS: Fields = {
    "gate": "sessions",
    "verdict": "closed",
    "why": "sessions",
    "detail": "alice is logged in since 2026-11-28 22:14 UTC (pts/0, from 192.0.2.7)",
    "until": "2026-11-29T02:10:00Z",
    "retry": True,
}
OPEN: Fields = {"gate": "dpkg", "verdict": "open", "why": None, "detail": "", "until": None, "retry": False}
REBOOTED: Fields = {
    "schema": REBOOT_OUTCOME_SCHEMA,
    "generated_at": "2026-11-29T02:01:40Z",
    "id": "20261129T020000Z",
    "started_at": "2026-11-29T02:00:00Z",
    "finished_at": "2026-11-29T02:01:40Z",
    "result": "rebooted",
    "origin": "request",
    "requested_by": "alice",
    "if_required": True,
    "despite": [],
    "reason": {"required": True, "packages": ["linux-image-6.1.0-28-amd64"], "since": "2026-11-27T04:12:00Z"},
    "gates": [OPEN],
    "blocked": None,
    "boot_before": {"boot_id": "0a5c6b1e-8b1f-4c0d-9a59-6d5a0c2f1e77", "soft_reboots": 0},
    "boot_after": {"boot_id": "f3f0c7f2-5d3c-4d55-8a34-6a3f9f1b2c10", "soft_reboots": 0},
    "kernel_before": "6.1.0-27-amd64",
    "kernel_expected": "6.1.0-28-amd64",
    "kernel_after": "6.1.0-28-amd64",
    "fired_at": "2026-11-29T02:00:12Z",
    "back_at": "2026-11-29T02:00:54Z",
    "downtime_s": 42.0,
    "problems": [],
    "lock": "released",
    "message": "",
}
_NOT_DONE: Fields = {
    **dict.fromkeys(("boot_after", "kernel_after", "fired_at", "back_at", "downtime_s")),
    "lock": "none",
}
PROBLEMS: Fields = {
    **REBOOTED,
    "result": "rebooted-with-problems",
    "problems": [
        {"code": "old-kernel", "detail": "kernel 6.1.0-27-amd64 runs, 6.1.0-28-amd64 is expected"},
        {"code": "unit-failed", "detail": "nginx.service has failed since the boot"},
    ],
    "kernel_after": "6.1.0-27-amd64",
    "lock": "kept",
}
_UNDONE: Fields = {**REBOOTED, **_NOT_DONE}
_FIRED: Fields = {**_UNDONE, "fired_at": REBOOTED["fired_at"]}
EACH: dict[str, Fields] = {
    "rebooted": REBOOTED,
    "rebooted-with-problems": PROBLEMS,
    "not-rebooted": {**_FIRED, "result": "not-rebooted", "lock": "released"},
    "not-required": {
        **_UNDONE,
        "result": "not-required",
        "reason": {"required": False, "packages": [], "since": None},
    },
    "blocked": {**_UNDONE, "result": "blocked", "gates": [OPEN, SESSIONS], "blocked": SESSIONS},
    "failed": {**_UNDONE, "result": "failed", "message": "logind: Access denied", "lock": "releasing"},
    "interrupted": {**_UNDONE, "result": "interrupted"},
    "requested": {**_FIRED, "result": "requested", "finished_at": None, "lock": "held"},
}
"""By result."""


def view(document: Fields) -> RebootOutcomeView:
    return RebootOutcomeView(JsonReader(document, "run"))
