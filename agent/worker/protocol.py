"""What a worker can be asked, and how it answers: one line of JSON in, lines of JSON out. Closed and versioned.

The same values go between processes that share no socket: a command and the job that it starts in place.
"""

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.core.model.plan import Scope
from agent.core.schemas import REQUEST_SCHEMA
from agent.errors import RecordError, UsageError
from agent.state.json_reader import JsonReader

LONGEST_REQUEST = 4096
"""Bytes; whatever is longer is none."""
_FIELDS = {"schema", "verb", "scope", "refresh", "plan_id", "wait", "brief", "asked_by"}


class Verb(Enum):
    """The jobs."""

    CHECK = "check"
    UPGRADE = "upgrade"
    EXPLAIN = "explain"
    """In place only: it changes and remembers nothing."""


_OVER_A_SOCKET = (Verb.CHECK, Verb.UPGRADE)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job to do."""

    verb: Verb
    scope: Scope = Scope.SECURITY
    refresh: bool = True
    remember: bool = True
    """Whether a look becomes the record that `status` shows."""
    plan_id: str | None = None
    package: str = ""
    wait: bool = False
    """Whether to wait for another job to end, rather than be told of it."""
    omit_document: bool = False
    """Whether the answer is to come without its document, which is on record anyway."""
    requested_by: str = ""
    """Who asks, for the record: "schedule", or a person's name."""
    config: Path | None = None
    state_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswer:
    """What came of a job: its document, or the message of the error that kept it from one."""

    exit_code: int
    document: dict[str, object] | None = None
    error: str = ""


def encode_request(request: JobRequest) -> bytes:
    """Write what a worker needs to know; where its record and configuration are, it knows by itself."""
    document = {
        "schema": REQUEST_SCHEMA,
        "verb": request.verb.value,
        "scope": request.scope.value,
        "refresh": request.refresh,
        "plan_id": request.plan_id,
        "wait": request.wait,
        "brief": request.omit_document,
        "asked_by": request.requested_by,
    }
    return f"{json.dumps(document)}\n".encode()


def decode_request(line: bytes, state_dir: str) -> JobRequest:
    """Read a request that came over a socket.

    Raises:
        UsageError: it is not exactly one of those that can be asked for; the message says what is wrong with it.
    """
    try:
        reader = JsonReader(json.loads(line.decode()), "request")
        schema = reader.text("schema")
        if schema != REQUEST_SCHEMA:
            raise UsageError(f"request: schema {schema[:40]!r} is not known here, {REQUEST_SCHEMA!r} is")
        unknown = sorted(set(reader.raw) - _FIELDS)
        if unknown:
            raise UsageError(f"request: unknown field {unknown[0][:40]!r}")
        verb, scope = Verb(reader.text("verb")), Scope(reader.text("scope"))
        if verb not in _OVER_A_SOCKET:
            raise UsageError(f"request: {verb.value!r} is done in place, not by a worker")
        return JobRequest(
            verb=verb,
            scope=scope,
            refresh=reader.boolean("refresh"),
            plan_id=reader.optional_text("plan_id"),
            wait=reader.boolean("wait"),
            omit_document=reader.boolean("brief"),
            requested_by=reader.text("asked_by")[:64],
            state_dir=state_dir,
        )
    except RecordError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a word that is in no closed list
        raise UsageError(f"request: {str(error)[:120]}") from error


def encode_progress(message: str) -> bytes:
    """Write a progress line."""
    return f"{json.dumps({'tell': message})}\n".encode()


def encode_answer(answer: JobAnswer) -> bytes:
    """Write the last line."""
    document = {"exit_code": answer.exit_code, "document": answer.document, "error": answer.error}
    return f"{json.dumps(document)}\n".encode()


def decode_line(line: str) -> str | JobAnswer:
    """Read a line of a worker: a progress message, or its answer.

    Raises:
        RecordError: it is neither.
    """
    try:
        reader = JsonReader(json.loads(line), "answer of the worker")
    except ValueError as error:
        raise RecordError(f"answer of the worker: {error}") from error
    if "tell" in reader.raw:
        return reader.text("tell")
    document = reader.optional_child("document")
    return JobAnswer(
        exit_code=int(reader.number("exit_code")),
        document=dict(document.raw) if document else None,
        error=reader.text("error"),
    )
