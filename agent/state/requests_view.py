"""Read-only view of `maestro.requests/1` for `status` and `requests`. Light: no dataclasses, no core."""

from agent.core.schemas import REQUESTS_SCHEMA, Document
from agent.state.json_reader import JsonReader
from agent.state.store import REQUESTS, Store
from agent.state.timestamps import format_utc

_ENDED = {"refused", "done", "failed", "expired", "cancelled"}


class RequestStateView:
    """One step of a request."""

    def __init__(self, step: JsonReader) -> None:
        self.state = step.text("state")
        self.at = step.time("at")
        self.why = step.optional_text("why") or ""
        self.detail = step.optional_text("detail") or ""
        self.run = step.optional_text("run") or ""


class RequestView:
    """One request on record. Raises RecordError if a field is missing or has the wrong type."""

    def __init__(self, entry: JsonReader) -> None:
        self.raw = entry.raw
        self.id = entry.text("id")
        self.verb = entry.text("verb")
        self.requested_by = entry.optional_text("requested_by") or ""
        self.signed_by = entry.optional_text("signed_by") or ""
        self.expires_at = entry.optional_time("expires_at")
        self.steps = [RequestStateView(step) for step in entry.children("steps")]
        conflict = entry.optional_child("conflict")
        self.conflict = RequestStateView(conflict) if conflict else None
        """The refusal of another request with the same id."""
        request = entry.optional_child("request")
        self.comment = (request.optional_text("comment") if request else None) or ""
        """Known until it has ended."""
        arguments = request.optional_child("arguments") if request else None
        self.fixes = arguments.texts("fixes") if arguments is not None and "fixes" in arguments.raw else []
        self.reboots = arguments is not None and arguments.raw.get("reboot") == "if-required"
        self.in_window = arguments is not None and arguments.raw.get("when") == "window"

    @property
    def last(self) -> RequestStateView:
        """The step that its state comes from."""
        return self.steps[-1]

    @property
    def ended(self) -> bool:
        """Whether its state never changes again."""
        return self.last.state in _ENDED

    @property
    def document(self) -> Document:
        """Return the request as `status` has it."""
        last = self.last
        return {
            "id": self.id,
            "verb": self.verb,
            "state": last.state,
            "at": format_utc(last.at),
            "why": last.why or None,
            "detail": last.detail or None,
            "run": last.run or None,
            "requested_by": self.requested_by or None,
            "signed_by": self.signed_by or None,
            "expires_at": format_utc(self.expires_at) if self.expires_at else None,
        }


def request_views(document: JsonReader) -> list[RequestView]:
    """Return the requests of the document, the newest first."""
    found = [RequestView(entry) for entry in document.children("requests")]
    return [one for one in reversed(found) if one.steps]


def read_requests(store: Store) -> tuple[JsonReader, list[RequestView]] | None:
    """Return the document and its requests, the newest first; None: no request was ever recorded.

    Raises:
        RecordError: it is damaged. It stays: the next request that arrives sets it aside.
    """
    reader = store.read(REQUESTS, REQUESTS_SCHEMA, keep=True)
    return None if reader is None else (reader, request_views(reader))
