"""Documents and facts shared by the tests of reports."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jsonschema

from agent.core.model.host import HostFacts

CHECKOUT = Path(__file__).resolve().parent.parent.parent
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
BOOT = "b0000000-0000-4000-8000-000000000001"
NEXT_BOOT = "b0000000-0000-4000-8000-000000000002"
HOST = HostFacts(
    id="11111111-2222-4333-8444-555555555555",
    boot_id=BOOT,
    booted_at=NOON,
    name="web-1",
    os_id="debian",
    os_version="12",
    os_codename="bookworm",
    architecture="x86_64",
    kernel="6.1.0-18-amd64",
)


def golden(name: str) -> Any:
    """Return a golden document."""
    return json.loads((CHECKOUT / "tests/golden" / f"{name}.json").read_text())


def check(kind: str, document: object) -> None:
    """Validate a document against its schema."""
    schema = json.loads((CHECKOUT / f"schemas/maestro.{kind}-1.json").read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(json.dumps(document)))


def check_event(event: Any) -> None:
    """Validate an event, and the document in it, against their schemas."""
    check("event", event)
    if event["type"] in {"outcome", "reboot-outcome"}:
        check(event["type"], event["document"])
