"""`maestro.restart-outcome/1`: it decodes to what it was encoded from, and its view shows every field."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from enum import Enum

import jsonschema
import pytest

from agent.core.restart.model import LeftWhy, RestartAction, RestartOutcome, RestartResult, RestartUnit, UnitResult
from agent.errors import RecordError
from agent.report.restart_reasons import restart_sentence
from agent.state.documents.restart_outcome import restart_outcome_from_document, restart_outcome_to_document
from agent.state.json_reader import JsonReader
from agent.state.restart_outcome_view import RestartOutcomeView
from tests.conftest import CHECKOUT

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
DONE = RestartUnit(
    unit="cron.service",
    action=RestartAction.RESTART,
    result=UnitResult.RESTARTED,
    restarts_with=("at.service",),
    active_state="active",
    unit_result="success",
    duration_s=0.5,
)
LEFT = RestartUnit(
    unit="dbus.service",
    action=RestartAction.NONE,
    result=UnitResult.LEFT,
    why=LeftWhy.NEEDS_REBOOT,
    values=("a restart disconnects every client of the bus",),
)
OUTCOME = RestartOutcome(
    id="20261129T120000Z",
    started_at=NOW,
    finished_at=NOW + timedelta(seconds=9),
    result=RestartResult.RESTARTED,
    units=(DONE, LEFT),
    remaining=("dbus.service",),
    message="a note",
    requested_by="alice",
)
SCHEMA = json.loads((CHECKOUT / "schemas/maestro.restart-outcome-1.json").read_text())
BEGUN = replace(OUTCOME, finished_at=None, result=RestartResult.INTERRUPTED, remaining=None, message="")


@pytest.mark.parametrize(
    "outcome", [OUTCOME, BEGUN, replace(OUTCOME, id="", requested_by="")], ids=["done", "begun", "dry-run"]
)
def test_an_outcome_decodes_to_what_it_was(outcome: RestartOutcome) -> None:
    document = restart_outcome_to_document(outcome, NOW, lambda unit: unit.detail)

    assert restart_outcome_from_document(JsonReader(document, "run")) == outcome


def test_the_view_has_the_sentence_of_each_unit() -> None:
    view = RestartOutcomeView(JsonReader(restart_outcome_to_document(OUTCOME, NOW, restart_sentence), "run"))

    assert (view.job, view.duration_s, view.remaining) == ("restart-services", 9.0, ["dbus.service"])
    assert [unit.unit for unit in view.of_result("left")] == ["dbus.service"]
    assert view.units[1].detail.endswith("; it needs a reboot")


@pytest.mark.parametrize("why", LeftWhy, ids=lambda why: why.value)
def test_every_reason_has_a_sentence_with_and_without_its_values(why: LeftWhy) -> None:
    for values in ((), ("x.service",)):
        sentence = restart_sentence(replace(LEFT, why=why, values=values))
        assert sentence
        assert not sentence.endswith(".")


@pytest.mark.parametrize("key", ["units", "result", "started_at", "message"])
def test_a_malformed_document_is_refused(key: str) -> None:
    document = restart_outcome_to_document(OUTCOME, NOW, restart_sentence)

    with pytest.raises(RecordError):
        restart_outcome_from_document(JsonReader({**document, key: 7}, "run"))


def test_an_unknown_reason_is_refused() -> None:
    document = restart_outcome_to_document(replace(OUTCOME, units=(replace(LEFT, why=None),)), NOW, restart_sentence)
    units = document["units"]
    assert isinstance(units, list)
    units[0]["why"] = "because"

    with pytest.raises(RecordError):
        restart_outcome_from_document(JsonReader(document, "run"))


@pytest.mark.parametrize(
    "outcome", [OUTCOME, BEGUN, replace(OUTCOME, id="", requested_by="")], ids=["done", "begun", "dry-run"]
)
def test_a_document_has_the_shape_of_its_schema(outcome: RestartOutcome) -> None:
    document = json.loads(json.dumps(restart_outcome_to_document(outcome, NOW, restart_sentence)))

    assert [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(document)] == []


@pytest.mark.parametrize(
    ("definition", "field", "words"),
    [
        (None, "result", RestartResult),
        ("unit", "action", RestartAction),
        ("unit", "result", UnitResult),
        ("unit", "why", LeftWhy),
    ],
    ids=["result", "action", "unit-result", "why"],
)
def test_the_schema_knows_every_value_of_an_enum(definition: str | None, field: str, words: type[Enum]) -> None:
    part = SCHEMA["definitions"][definition] if definition else SCHEMA

    assert set(part["properties"][field]["enum"]) - {None} == {word.value for word in words}
