"""The steps of all requests on record, in the order of their sequence: what becomes events. Light: no dataclasses."""

from datetime import datetime

from agent.core.schemas import REQUESTS_SCHEMA, Document
from agent.state.json_reader import JsonReader
from agent.state.store import REQUESTS, Store
from agent.state.timestamps import format_utc


class RequestStepView:
    """One step, with the document of its event."""

    def __init__(self, entry: JsonReader, step: JsonReader) -> None:
        self.sequence = int(step.number("sequence"))
        self.state = step.text("state")
        self.at: datetime = step.time("at")
        self.document: Document = {
            "request_id": entry.text("id"),
            "verb": entry.text("verb"),
            "at": format_utc(self.at),
            "why": step.optional_text("why"),
            "detail": step.optional_text("detail"),
            "run": step.optional_text("run"),
            "signed_by": entry.optional_text("signed_by"),
        }


class RequestSteps:
    """The steps of a record. Raises RecordError if a field is missing or has the wrong type."""

    def __init__(self, reader: JsonReader) -> None:
        self.id = reader.text("id")
        """Of the record: the sequences of another one begin at 1 again."""
        self.sequence = int(reader.number("sequence"))
        found = [
            RequestStepView(entry, step)
            for entry in reader.children("requests")
            for step in (*entry.children("steps"), *filter(None, [entry.optional_child("conflict")]))
        ]
        self.steps = sorted(found, key=lambda step: step.sequence)


def read_request_steps(store: Store) -> RequestSteps | None:
    """Return the steps on record; None: no request was ever recorded.

    Raises:
        RecordError: the record is damaged. It stays.
    """
    reader = store.read(REQUESTS, REQUESTS_SCHEMA, keep=True)
    return RequestSteps(reader) if reader else None
