"""Validates documents against their JSON Schemas; lenient towards members that newer agents may add.

fastjsonschema compiles a schema to Python, stops at the first error, and decides. jsonschema, the reference
implementation, takes milliseconds for one report, longer than a whole request may: it only describes rejected
documents.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import fastjsonschema
import jsonschema

DIRECTORY = Path(__file__).resolve().parent.parent.parent / "schemas"
_MAX_FAULT = 300


def strict(name: str) -> dict[str, Any]:
    """Read a published schema: `strict("maestro.report-1")`."""
    schema: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def lenient(schema: Any) -> Any:
    """Return the schema with unknown members allowed, and any string at `x-grows` (docs/endpoint: Growing)."""
    if isinstance(schema, list):
        return [lenient(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-grows"):
        kinds = ["string", "null"] if None in schema["enum"] else ["string"]
        return {"type": kinds, "maxLength": 64, "pattern": "^[ -~]*$"}
    return {key: lenient(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}


class Validator:
    """Validates one kind of document."""

    def __init__(self, name: str) -> None:
        schema = lenient(strict(name))
        self._validate = fastjsonschema.compile(_inlined(schema, schema.get("definitions", {})))
        self._reference = jsonschema.Draft7Validator(schema)

    def fault(self, value: Any, *, precisely: bool = True) -> str | None:
        """Return the error as `/pointer: message`; None: valid."""
        try:
            self._validate(value)
        except fastjsonschema.JsonSchemaValueException as error:
            found = jsonschema.exceptions.best_match(self._reference.iter_errors(value)) if precisely else None
            if found is not None:
                return _describe(found.absolute_path, found.message)
            return _describe(error.path[1:], error.message.removeprefix(error.name).strip())
        return None


class Validators:
    """The validators for a batch and its messages."""

    def __init__(self) -> None:
        self.batch = Validator("maestro.batch-1")
        self._report = Validator("maestro.report-1")
        self.heartbeat = Validator("maestro.heartbeat-1")
        self._event = Validator("maestro.event-1")
        self._outcome = Validator("maestro.outcome-1")

    def body(self, message: Mapping[str, Any], *, precisely: bool) -> str | None:
        """Return the error in a message's body; None: valid."""
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


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return the schema with each definition where it is referred to; none may refer to itself.

    fastjsonschema calls a function for each reference and formats the place of each item before: three quarters of the
    time that a report took.
    """
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _inlined(definitions[reference.removeprefix("#/definitions/")], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _describe(path: Iterable[object], message: str) -> str:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    cut = message if len(message) <= _MAX_FAULT else f"{message[:_MAX_FAULT]}…"
    # Both quote the sender and are stored: printable ASCII, safe for every database and terminal.
    return "".join(
        character if " " <= character <= "~" else ascii(character)[1:-1] for character in f"{pointer or '/'}: {cut}"
    )
