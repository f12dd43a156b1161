"""docs/documents.md names every field and every enum value of the documents."""

import json
import re
from enum import Enum

import pytest

from agent.core.model.facts import ListsState, SourceFault
from agent.core.model.outcome import Result, Stage
from agent.core.model.plan import Why
from agent.core.packages.explain import Conclusion, GateVerdict
from agent.report.status.health import Health
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs/documents.md").read_text()
SAID = set(re.findall(r"`([a-z_.-]+)(?:\[\])?`", PAGE)) | set(re.findall(r"`[a-z]+\.([a-z_]+)\[\]`", PAGE))


def fields(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for part in value.values() for name in fields(part)}
    if isinstance(value, list):
        return {name for part in value for name in fields(part)}
    return set()


@pytest.mark.parametrize("kind", ["plan", "outcome", "status", "explain"])
def test_every_field_is_documented(kind: str) -> None:
    found: set[str] = set()
    for golden in (CHECKOUT / "tests/golden").glob("*.json"):
        document = json.loads(golden.read_text())
        if document["schema"] == f"maestro.{kind}/1":
            found |= fields(document)

    assert found
    assert found - SAID == set()


@pytest.mark.parametrize("words", [Why, Result, Stage, SourceFault, ListsState, Health, GateVerdict, Conclusion])
def test_every_enum_value_is_documented(words: type[Enum]) -> None:
    assert {word.value for word in words} - SAID == set()
