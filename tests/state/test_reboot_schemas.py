"""Documents of reboots have the shape of their published schemas, and the schemas know every value."""

import json
from dataclasses import replace
from enum import Enum
from typing import Any

import jsonschema
import pytest

from agent.core.job_kinds import JobOption
from agent.core.reboot.gates import RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import LockUse, RebootOutcome, RebootResult, RebootSchedule, RebootTrouble
from agent.core.schemas import Document
from agent.state.documents.reboot_course import schedule_to_document
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from tests.conftest import CHECKOUT
from tests.report.given_reboot_outcome import BLOCKED, EACH, SESSIONS, STARTED

SCHEDULE = RebootSchedule(
    at=STARTED,
    until=STARTED,
    created_at=STARTED,
    requested_by="alice",
    options=frozenset({JobOption.IF_REQUIRED, JobOption.DESPITE_SESSIONS}),
    comment="kernel",
)


def schema_of(name: str) -> Any:
    return json.loads((CHECKOUT / f"schemas/maestro.{name}-1.json").read_text())


def faults(name: str, document: Document) -> list[str]:
    found = json.loads(json.dumps(document))
    return [error.message for error in jsonschema.Draft7Validator(schema_of(name)).iter_errors(found)]


@pytest.mark.parametrize("outcome", EACH.values(), ids=[result.value for result in EACH])
def test_each_outcome_has_the_shape_of_its_schema(outcome: RebootOutcome) -> None:
    assert faults("reboot-outcome", reboot_outcome_to_document(outcome, STARTED)) == []


@pytest.mark.parametrize("why", RebootWhy, ids=lambda why: why.value)
def test_each_reason_has_the_shape_of_the_schema(why: RebootWhy) -> None:
    gate = replace(SESSIONS, why=why, until=None)

    assert faults("reboot-outcome", reboot_outcome_to_document(replace(BLOCKED, blocked=gate), STARTED)) == []


def test_an_unreadable_reason_is_null() -> None:
    unknown = replace(BLOCKED, reason=None, boot_before=None, kernel_before=None, kernel_expected=None)

    assert faults("reboot-outcome", reboot_outcome_to_document(unknown, STARTED)) == []


@pytest.mark.parametrize("schedule", [SCHEDULE, replace(SCHEDULE, requested_by="", comment="", options=frozenset())])
def test_a_scheduled_reboot_has_the_shape_of_its_schema(schedule: RebootSchedule) -> None:
    assert faults("reboot-schedule", schedule_to_document(schedule, STARTED)) == []


@pytest.mark.parametrize(
    ("definition", "field", "words"),
    [
        (None, "result", RebootResult),
        (None, "origin", RebootOrigin),
        (None, "lock", LockUse),
        ("gate", "gate", RebootGate),
        ("gate", "verdict", Verdict),
        ("gate", "why", RebootWhy),
        ("problem", "code", RebootTrouble),
    ],
)
def test_the_schema_knows_every_value_of_an_enum(definition: str | None, field: str, words: type[Enum]) -> None:
    schema = schema_of("reboot-outcome")
    part = schema["definitions"][definition] if definition else schema

    assert set(part["properties"][field]["enum"]) - {None} == {word.value for word in words}
