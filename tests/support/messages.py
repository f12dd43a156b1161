"""Messages as an agent writes them, from the golden documents: valid until a test damages one."""

import json
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
MOMENT = "2026-11-23T08:10:00Z"
HASH = "0123456789abcdef"
Raw = dict[str, Any]


@cache
def _golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text()


def outcome() -> Raw:
    document: Raw = json.loads(_golden("outcome"))
    return document


def report(host: str, instance: str, *, state_hash: str = HASH, name: str = "web1") -> Raw:
    """Return a complete `maestro.report/1`."""
    status: Raw = json.loads(_golden("status"))  # faster than a deep copy
    plan, run = status["plan"], status["last_run"]
    return {
        "schema": "maestro.report/1",
        "generated_at": MOMENT,
        "hash": state_hash,
        "host": {
            "id": host, "instance_id": instance, "boot_id": str(uuid.UUID(int=7)), "booted_at": MOMENT, "name": name,
            "os": {"id": "debian", "version": "12", "codename": "bookworm"}, "architecture": "amd64",
        },
        "agent": {"version": "0.1.0", "started_at": MOMENT, "state": "idle"},
        "kernel": {"running": "6.1.0-1-amd64", "newest": "6.1.0-3-amd64", "outdated": True},
        "lists": plan["lists"],
        "updates": {
            "seen_at": MOMENT, "scope": "security", "security_pending": 3, "held": 3, "other": 7, "hidden_security": 1,
            "items": plan["install"], "held_items": plan["held"], "repair": plan["repair"],
        },
        "last_outcome": {
            "id": run["id"], "result": run["result"], "started_at": MOMENT, "finished_at": MOMENT, "upgraded": 3,
            "failed": run["failed"], "message": "",
        },
        "reboot": status["reboot"],
        "services": None,
        "docker": None,
        "weave": None,
        "jobs": status["jobs"],
        "outbox": {"depth": 0, "bytes": 0, "oldest_at": None, "dropped": 0, "refused": 0, "last_sequence": 0},
        "warnings": [],
        "health": status["health"],
        "reasons": status["reasons"],
    }  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Outbox:
    """One host's outbox: numbers its messages as in the contract."""

    host: str = field(default_factory=lambda: str(uuid.uuid4()))
    instance: str = field(default_factory=lambda: str(uuid.uuid4()))
    events: int = 0
    others: int = 0

    def event(
        self,
        kind: str = "something-new",
        document: Raw | None = None,
        *,
        sequence: int | None = None,
        at: str = MOMENT,
    ) -> Raw:
        self.events = sequence if sequence is not None else self.events + 1
        body = {"schema": "maestro.event/1", "type": kind, "at": at, "document": document or {}}
        return _message("event", self.events, body)

    def state(self, state_hash: str = HASH, **changes: Any) -> Raw:
        self.others += 1
        body = report(self.host, self.instance, state_hash=state_hash)
        return _message("state", self.others, {**body, **changes})

    def heartbeat(self, state_hash: str = HASH) -> Raw:
        self.others += 1
        return _message("heartbeat", self.others, {"hash": state_hash})

    def batch(self, *messages: Raw) -> Raw:
        return {
            "schema": "maestro.batch/1",
            "host_id": self.host,
            "instance_id": self.instance,
            "agent_version": "0.1.0",
            "sent_at": MOMENT,
            "messages": list(messages),
        }


def _message(kind: str, sequence: int, body: Raw) -> Raw:
    return {"key": str(uuid.uuid4()), "kind": kind, "sequence": sequence, "created_at": MOMENT, "body": body}
