"""`maestro.packages/1`: what libapt found, for the next job; only the agent reads it. Pure."""

from datetime import datetime

from agent.core.packages.remembered import RememberedPackages
from agent.core.schemas import PACKAGES_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.values import value_from_json, value_to_json
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_utc
from agent.version import VERSION


def packages_to_document(remembered: RememberedPackages, generated_at: datetime) -> Document:
    """Return `maestro.packages/1`."""
    return {
        "schema": PACKAGES_SCHEMA,
        "generated_at": format_utc(generated_at),
        "version": VERSION,
        "remembered": value_to_json(remembered),
    }


def packages_from_document(document: JsonReader) -> RememberedPackages:
    """Return what is remembered.

    Raises:
        RecordError: the document is malformed, or of another version of the agent.
    """
    if document.text("version") != VERSION:
        raise RecordError("it is of another version of the agent")
    found: RememberedPackages = value_from_json(RememberedPackages, document.raw.get("remembered"))
    return found
