"""`maestro.requests/1`: all requests of the endpoint on record. Pure. The decoder raises RecordError."""

import json
from datetime import datetime

from agent.core.requests.model import LifeStep, RequestBook, RequestEntry, RequestState, RequestWhy
from agent.core.requests.wire import canonical_form
from agent.core.schemas import REQUESTS_SCHEMA, Document
from agent.errors import RecordError
from agent.state.documents.parts import enum_from_document
from agent.state.json_reader import JsonReader
from agent.state.timestamps import format_exact, format_utc


def book_to_document(book: RequestBook, generated_at: datetime) -> Document:
    """Return `maestro.requests/1`."""
    return {
        "schema": REQUESTS_SCHEMA,
        "generated_at": format_utc(generated_at),
        "id": book.id,
        "sequence": book.sequence,
        "floor": format_exact(book.floor) if book.floor else None,
        "requests": [_entry_to_document(entry) for entry in book.entries],
    }


def book_from_document(reader: JsonReader) -> RequestBook:
    """Return the record in a document."""
    return RequestBook(
        id=reader.text("id"),
        entries=tuple(_entry_from_document(part) for part in reader.children("requests")),
        floor=reader.optional_time("floor"),
        sequence=int(reader.number("sequence")),
    )


def _entry_to_document(entry: RequestEntry) -> Document:
    return {
        "id": entry.id,
        "verb": entry.verb,
        "digest": entry.digest or None,
        "created_at": _time(entry.created_at),
        "expires_at": _time(entry.expires_at),
        "requested_by": entry.requested_by or None,
        "signed_by": entry.signed_by or None,
        "request": dict(entry.document) if entry.document is not None else None,
        "form": canonical_form(entry.document).hex() if entry.document is not None else None,
        "steps": [_step_to_document(step) for step in entry.steps],
        "conflict": _step_to_document(entry.conflict) if entry.conflict else None,
        "repeated_at": _time(entry.repeated_at),
    }


def _entry_from_document(part: JsonReader) -> RequestEntry:
    conflict = part.optional_child("conflict")
    steps = tuple(_step_from_document(step) for step in part.children("steps"))
    if not steps:
        raise RecordError(f"request {part.text('id')}: no steps")
    return RequestEntry(
        id=part.text("id"),
        verb=part.text("verb"),
        digest=part.optional_text("digest") or "",
        created_at=part.optional_time("created_at"),
        expires_at=part.optional_time("expires_at"),
        requested_by=part.optional_text("requested_by") or "",
        signed_by=part.optional_text("signed_by") or "",
        document=_request_from_document(part),
        steps=steps,
        conflict=_step_from_document(conflict) if conflict else None,
        repeated_at=part.optional_time("repeated_at"),
    )


def _request_from_document(part: JsonReader) -> Document | None:
    """Return a request as it was signed: the store leaves out of "request" what looks like a credential."""
    request, form = part.optional_child("request"), part.optional_text("form")
    if request is None or form is None:  # earlier versions wrote no form
        return dict(request.raw) if request else None
    try:
        signed = JsonReader(json.loads(bytes.fromhex(form)), f"request {part.text('id')}: form")
    except ValueError as error:
        raise RecordError(f"request {part.text('id')}: form: {error}") from error
    return {**signed.raw, "signature": request.optional_text("signature")}


def _step_to_document(step: LifeStep) -> Document:
    return {
        "state": step.state.value,
        "at": format_utc(step.at),
        "sequence": step.sequence,
        "why": step.why.value if step.why else None,
        "detail": step.detail or None,
        "run": step.run or None,
    }


def _step_from_document(part: JsonReader) -> LifeStep:
    return LifeStep(
        state=enum_from_document(part, "state", RequestState),
        at=part.time("at"),
        sequence=int(part.number("sequence")),
        why=enum_from_document(part, "why", RequestWhy) if part.raw.get("why") is not None else None,
        detail=part.optional_text("detail") or "",
        run=part.optional_text("run") or "",
    )


def _time(when: datetime | None) -> str | None:
    return format_exact(when) if when is not None else None
