"""The published schemas: valid, matched by the documents, strict; both validators agree."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from endpoint.http.validation import DIRECTORY, Validator, lenient, strict
from tests.support.messages import GOLDEN, Outbox, Raw, outcome, report

CHECKOUT = Path(__file__).resolve().parent.parent.parent
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.json"))
REPORT = report(Outbox().host, Outbox().instance)
RECEIPT = {
    "schema": "maestro.receipt/1",
    "results": [
        {"key": "k" * 16, "status": "accepted", "code": None, "detail": None},
        {
            "key": "k" * 16,
            "status": "accepted",
            "code": "superseded",
            "sequence": 7,
            "detail": "overtaken by sequence 7",
        },
        {"key": "k" * 16, "status": "refused", "code": "invalid", "detail": "/: not an object"},
    ],
    "resend_state": False,
}
SPOILS: tuple[Any, ...] = (None, 0, -1, 1.0, 1.5, True, "", "x", "2026-11-23T08:10:00Z", [], {}, [None], "A" * 70_000)


def faults(name: str, document: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(strict(name)).iter_errors(document)]


def test_every_document_of_the_contract_has_a_schema() -> None:
    names = (
        *("batch", "event", "fleet", "heartbeat", "notification", "outcome", "reboot-outcome", "reboot-schedule"),
        *("receipt", "report", "request", "requests", "deployment", "deployments", "locks", "fleet-lock"),
        *("restart-outcome", "snoozes", "unattended-upgrades", "enrolment", "enrolled", "enrolments"),
        *("hosts", "overview", "fleet-notification", "deployment-preview", "fixes", "fix", "host"),
    )

    assert [f"maestro.{name}-1" for name in sorted(names)] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_valid(name: str) -> None:
    schema = strict(name)

    jsonschema.Draft7Validator.check_schema(schema)

    assert schema["title"].replace("/", "-") == name
    for part in parts(schema):
        if part.get("type") == "object" and "properties" in part and "description" not in part["properties"]:
            assert part.get("additionalProperties") is False or "schema" in part.get("required", ()), part
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/definitions/") in schema["definitions"]


def parts(schema: Any) -> list[Raw]:
    if isinstance(schema, list):
        return [found for part in schema for found in parts(part)]
    if isinstance(schema, dict):
        return [schema, *(found for part in schema.values() for found in parts(part))]
    return []


def test_definitions_of_the_same_name_are_equal() -> None:
    found: dict[str, Raw] = {}
    for name in NAMES:
        for part, schema in strict(name).get("definitions", {}).items():
            assert found.setdefault(part, schema) == schema, (name, part)


@pytest.mark.parametrize("golden", ["outcome", "outcome-begun"])
def test_golden_outcomes_match_their_schema(golden: str) -> None:
    assert faults("maestro.outcome-1", json.loads((GOLDEN / f"{golden}.json").read_text())) == []


def test_examples_match_their_schemas() -> None:
    box = Outbox()
    batch = box.batch(box.event("outcome", outcome()), box.state(), box.heartbeat())
    event, state, heartbeat = (message["body"] for message in batch["messages"])

    assert faults("maestro.batch-1", batch) == []
    assert faults("maestro.receipt-1", RECEIPT) == []
    assert faults("maestro.event-1", event) == []
    assert faults("maestro.report-1", state) == []
    assert faults("maestro.heartbeat-1", heartbeat) == []


def test_published_schemas_are_strict_and_the_endpoint_is_lenient() -> None:
    newer = {**REPORT, "health": "splendid", "more": 1}

    assert len(faults("maestro.report-1", newer)) == 2
    assert Validator("maestro.report-1").fault(newer) is None


CHECK = Validator("maestro.report-1")
REFERENCE = jsonschema.Draft7Validator(lenient(strict("maestro.report-1")))


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        inner = [place for name, part in value.items() for place in places(part, (*at, name))]
    if isinstance(value, list):
        inner = [place for number, part in enumerate(value) for place in places(part, (*at, number))]
    return [at, *inner]


@given(place=st.sampled_from(places(REPORT)[1:]), spoil=st.sampled_from(SPOILS), remove=st.booleans())
def test_the_fast_validator_agrees_with_the_reference(place: tuple[Any, ...], spoil: Any, remove: bool) -> None:  # noqa: FBT001
    spoilt = json.loads(json.dumps(REPORT))
    inner = spoilt
    for step in place[:-1]:
        inner = inner[step]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = spoil

    assert (CHECK.fault(spoilt) is None) == REFERENCE.is_valid(spoilt)


def test_references_in_openapi_resolve() -> None:
    place = CHECKOUT / "docs/endpoint/openapi.yaml"
    document = yaml.safe_load(place.read_text())

    for part in parts(document):
        target = part.get("$ref", "#/")
        if target.startswith("#/"):
            inner: Any = document
            for step in filter(None, target[2:].split("/")):
                inner = inner[step]
        else:
            assert (place.parent / target).exists(), target


def test_the_page_documents_every_member_and_status() -> None:
    page = (CHECKOUT / "docs/endpoint/README.md").read_text()
    mentioned = set(re.findall(r"[a-z][a-z0-9_-]*", page))
    openapi = yaml.safe_load((CHECKOUT / "docs/endpoint/openapi.yaml").read_text())

    for name in ("maestro.batch-1", "maestro.receipt-1", "maestro.report-1", "maestro.event-1", "maestro.request-1"):
        schema = strict(name)
        inner = [*schema["properties"].values(), *schema.get("definitions", {}).values()]
        members = {member for part in [schema, *inner] for member in part.get("properties", {})}
        documented = set(re.findall(r"[a-z][a-z0-9_-]*", (CHECKOUT / "docs/documents.md").read_text()))
        assert members - mentioned - documented == set(), name
    methods = [method for path in openapi["paths"].values() for method in path.values()]
    statuses = {status for method in methods for status in method["responses"]}
    assert {status for status in statuses if status not in page} == set()
