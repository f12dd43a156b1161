"""The documents' JSON Schemas as fast validators: lenient towards what newer agents may add.

fastjsonschema makes Python code of a schema, stops at the first fault, and decides. The reference implementation, which
takes milliseconds for one report and so longer than a request may in all, finds better words for what was refused.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import fastjsonschema
import jsonschema

DIRECTORY = Path(__file__).resolve().parent.parent.parent / "schemas"
_LONGEST_FAULT = 300


def strict(name: str) -> dict[str, Any]:
    """Read a schema as it is published: `strict("maestro.report-1")`."""
    schema: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def lenient(schema: Any) -> Any:
    """Take unknown members, and any word where a list of words may grow (docs/endpoint: Growing)."""
    if isinstance(schema, list):
        return [lenient(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-grows"):
        kinds = ["string", "null"] if None in schema["enum"] else ["string"]
        return {"type": kinds, "maxLength": 64, "pattern": "^[ -~]*$"}
    return {key: lenient(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}


class Validator:
    """The check of one kind of document."""

    def __init__(self, name: str) -> None:
        schema = lenient(strict(name))
        self._validate = fastjsonschema.compile(schema)
        self._reference = jsonschema.Draft7Validator(schema)

    def fault(self, value: Any, *, precisely: bool = True) -> str | None:
        """Say what is wrong with a value, as `/pointer: words`; None where nothing is."""
        try:
            self._validate(value)
        except fastjsonschema.JsonSchemaValueException as error:
            found = jsonschema.exceptions.best_match(self._reference.iter_errors(value)) if precisely else None
            if found is not None:
                return _told(found.absolute_path, found.message)
            return _told(error.path[1:], error.message.removeprefix(error.name).strip())
        return None


class Validators:
    """All checks that a batch goes through."""

    def __init__(self) -> None:
        self.batch = Validator("maestro.batch-1")
        self._report = Validator("maestro.report-1")
        self.heartbeat = Validator("maestro.heartbeat-1")
        self._event = Validator("maestro.event-1")
        self._outcome = Validator("maestro.outcome-1")

    def body(self, message: Mapping[str, Any], *, precisely: bool) -> str | None:
        """Say what is wrong with a message's body; None where nothing is."""
        body = message["body"]
        if message["kind"] == "state":
            return self._report.fault(body, precisely=precisely)
        if message["kind"] == "heartbeat":
            return self.heartbeat.fault(body, precisely=precisely)
        fault = self._event.fault(body, precisely=precisely)
        if fault is None and body["type"] == "outcome":
            fault = self._outcome.fault(body["document"], precisely=precisely)
            return None if fault is None else f"/document{fault}"
        return fault


def _told(path: Iterable[object], words: str) -> str:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    cut = words if len(words) <= _LONGEST_FAULT else f"{words[:_LONGEST_FAULT]}…"
    # Both quote the sender, and are stored: in letters that every database and every terminal takes.
    return "".join(letter if " " <= letter <= "~" else ascii(letter)[1:-1] for letter in f"{pointer or '/'}: {cut}")
