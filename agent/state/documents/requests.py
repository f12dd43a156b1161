"""`maestro.requests/1`: all requests of the endpoint on record, and `maestro.signed-requests/1`. Pure.

Decoders raise RecordError.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from agent.core.requests.model import LifeStep, RequestBook, RequestEntry, RequestState, RequestWhy
from agent.core.requests.wire import canonical_form, shortened
from agent.core.schemas import REQUESTS_SCHEMA, SIGNED_REQUESTS_SCHEMA, Document
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


def book_from_document(reader: JsonReader, forms: Iterable[bytes] = ()) -> RequestBook:
    """Return the record in a document; a request whose canonical form is given is as it was signed.

    Another is without what looks like a credential: its signature does not fit any more where something was left out.
    """
    signed = {hashlib.sha256(form).hexdigest(): form for form in forms}
    return RequestBook(
        id=reader.text("id"),
        entries=tuple(_entry_from_document(part, signed) for part in reader.children("requests")),
        floor=reader.optional_time("floor"),
        sequence=int(reader.number("sequence")),
    )


def signed_forms(book: RequestBook) -> frozenset[bytes]:
    """Return the canonical forms of the requests that have not ended."""
    return frozenset(canonical_form(entry.document) for entry in book.entries if entry.document is not None)


def forms_to_document(forms: Iterable[bytes], generated_at: datetime) -> Document:
    """Return `maestro.signed-requests/1`. In hexadecimal, the store leaves nothing out."""
    return {
        "schema": SIGNED_REQUESTS_SCHEMA,
        "generated_at": format_utc(generated_at),
        "forms": [form.hex() for form in sorted(forms)],
    }


def forms_from_document(reader: JsonReader) -> tuple[bytes, ...]:
    """Return the canonical forms in a document."""
    try:
        return tuple(bytes.fromhex(form) for form in reader.texts("forms"))
    except ValueError as error:
        raise RecordError(f"{SIGNED_REQUESTS_SCHEMA}: forms: {error}") from error


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
        "steps": [_step_to_document(step) for step in entry.steps],
        "conflict": _step_to_document(entry.conflict) if entry.conflict else None,
        "repeated_at": _time(entry.repeated_at),
    }


def _entry_from_document(part: JsonReader, signed: Mapping[str, bytes]) -> RequestEntry:
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
        document=_request_from_document(part, signed),
        steps=steps,
        conflict=_step_from_document(conflict) if conflict else None,
        repeated_at=part.optional_time("repeated_at"),
    )


def _request_from_document(part: JsonReader, signed: Mapping[str, bytes]) -> Document | None:
    request, form = part.optional_child("request"), signed.get(part.optional_text("digest") or "")
    if request is None or form is None:
        return shortened(request.raw) if request else None
    # What has the digest on record was a request when it was recorded.
    return {**json.loads(form), "signature": request.optional_text("signature")}


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
