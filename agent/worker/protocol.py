"""The worker's protocol: one line of JSON as the request, lines of JSON as the answer. Closed and versioned.

The same values pass over the pipe between a command and the job that it forks.
"""

import json
from pathlib import Path

from agent.core.frozen import frozen
from agent.core.job_kinds import JobKind, JobOption
from agent.core.model.package import is_package_name
from agent.core.model.scope import Scope
from agent.core.packages.explain_cve import is_cve
from agent.core.pattern import lazy_pattern
from agent.core.redact import redact, redact_document
from agent.core.requests.wire import is_request_id
from agent.core.schemas import JOB_REQUEST_SCHEMA, Document
from agent.errors import RecordError, UsageError
from agent.state.json_reader import JsonReader

MAX_REQUEST_BYTES = 4096
MAX_CARRIED_BYTES = 32768
"""With a request of the endpoint, whose signature may be long."""
_MAX_REQUESTED_BY = 64
"""Characters of `requested_by` that are kept."""
_SESSION = lazy_pattern(r"[A-Za-z0-9]{0,32}")
"""An id of a session of logind: "3", "c1"; empty for none."""
_FIELDS = {
    "schema",
    "job",
    "scope",
    "refresh",
    "plan_id",
    "packages",
    "prefetch",
    "options",
    "wait",
    "omit_document",
    "requested_by",
    "session",
    "request",
    "requests_cancelled",
}


@frozen
class JobRequest:
    """A request to run one job."""

    kind: JobKind
    scope: Scope = Scope.SECURITY
    refresh: bool = True
    remember: bool = True
    """Whether a check becomes the plan that `status` shows, and a person is notified of what the record has then.

    Not of an image that is built: it is no server yet, and its record is thrown away.
    """
    prefetch: bool = True
    """Whether a check with a refresh downloads the packages in advance."""
    plan_id: str | None = None
    package: str = ""
    packages: tuple[str, ...] = ()
    """`name`, `name:architecture` or a CVE id: what the plan is limited to; none for all."""
    options: frozenset[JobOption] = frozenset()
    wait: bool = False
    """Wait for another job to end instead of failing with BusyError."""
    omit_document: bool = False
    """Answer without the document, which is recorded anyway."""
    requested_by: str = ""
    """For the record: "schedule", or a user's name."""
    session: str = ""
    """The requester's session of logind (XDG_SESSION_ID), which does not delay a reboot; empty: unknown or none."""
    carried: Document | None = None
    """A request of the endpoint, as it was received; of `JobKind.REQUEST`."""
    cancelled: tuple[str, ...] = ()
    """Ids of requests of the endpoint that are no longer wanted; of `JobKind.REQUEST`."""
    request_id: str = ""
    """The request of the endpoint that this job is for; empty: none. Never sent."""
    in_window: bool = False
    """A reboot is asked for in its maintenance window only. Never sent."""
    config: Path | None = None
    state_dir: str

    @property
    def needs_root(self) -> bool:
        """Whether root is needed, and with it the job lock and an entry in jobs.json."""
        return self.kind.needs_root(refresh=self.refresh)


@frozen
class JobAnswer:
    """Result of a job: its document, or the message of the error that prevented one."""

    exit_code: int
    document: Document | None = None
    error: str = ""
    recorded: bool = False
    """Whether jobs.json has this attempt; if not, the daemon counts it itself."""
    warnings: tuple[str, ...] = ()
    """Messages for a person that change nothing about the result: a damaged document of the record."""
    follow_up: JobRequest | None = None
    """A job that the same process runs next; its outcome becomes a part of this answer. Never sent."""
    nothing_done: bool = False
    """The request was refused before anything was done. Never sent."""


def encode_request(request: JobRequest) -> bytes:
    """Return the request's line; the worker uses its own state directory and configuration, so both are left out.

    Raises:
        UsageError: it would be too long.
    """
    document: Document = {
        "schema": JOB_REQUEST_SCHEMA,
        "job": request.kind.value,
        "scope": request.scope.value,
        "refresh": request.refresh,
        "plan_id": request.plan_id,
        "wait": request.wait,
        "omit_document": request.omit_document,
        "requested_by": request.requested_by,
    }
    # These are absent where they say nothing, as before they existed.
    document |= {"packages": list(request.packages)} if request.packages else {}
    document |= {} if request.prefetch else {"prefetch": False}
    document |= {"options": sorted(one.value for one in request.options)} if request.options else {}
    document |= {"session": request.session} if request.session else {}
    document |= {"request": request.carried} if request.carried is not None else {}
    document |= {"requests_cancelled": list(request.cancelled)} if request.cancelled else {}
    line = f"{json.dumps(document)}\n".encode()
    most = _most_bytes(request.kind)
    if len(line) > most:
        raise UsageError(f"too many packages for one request: it may have {most} bytes")
    return line


def _most_bytes(kind: JobKind) -> int:
    return MAX_CARRIED_BYTES if kind is JobKind.REQUEST else MAX_REQUEST_BYTES


def decode_request(line: bytes, state_dir: str) -> JobRequest:
    """Parse and validate a request that came over the socket.

    Raises:
        UsageError: it is not exactly one of the allowed requests; the message names the fault.
    """
    try:
        reader = JsonReader(json.loads(line.decode()), "request")
        schema = reader.text("schema")
        if schema != JOB_REQUEST_SCHEMA:
            raise UsageError(f"request: schema {schema[:40]!r} is not supported, only {JOB_REQUEST_SCHEMA!r}")
        unknown = sorted(set(reader.raw) - _FIELDS)
        if unknown:
            raise UsageError(f"request: unknown field {unknown[0][:40]!r}")
        kind, scope = JobKind(reader.text("job")), Scope(reader.text("scope"))
        if not kind.over_socket:
            raise UsageError(f"request: {kind.value!r} is not available over the socket")
        if len(line) > _most_bytes(kind):
            raise UsageError(f"request: longer than {_most_bytes(kind)} bytes")
        carried, cancelled = _carried(reader, kind)
        return JobRequest(
            kind=kind,
            scope=scope,
            refresh=reader.boolean("refresh"),
            plan_id=reader.optional_text("plan_id"),
            packages=_package_names(reader),
            prefetch=reader.optional_boolean("prefetch") is not False,
            options=frozenset(map(JobOption, reader.optional_texts("options") or ())),
            wait=reader.boolean("wait"),
            omit_document=reader.boolean("omit_document"),
            requested_by=reader.text("requested_by")[:_MAX_REQUESTED_BY],
            session=_session(reader),
            carried=carried,
            cancelled=cancelled,
            state_dir=state_dir,
        )
    except RecordError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a value outside its closed list
        raise UsageError(f"request: {str(error)[:120]}") from error


def _package_names(reader: JsonReader) -> tuple[str, ...]:
    """Return the packages and CVEs of a request; clients of earlier versions send none."""
    names = tuple(reader.optional_texts("packages") or ())
    wrong = next((name for name in names if not (is_package_name(name) or is_cve(name))), None)
    if wrong is not None:
        raise UsageError(f"request: {wrong[:40]!r} is not a package name or a CVE id")
    return names


def _carried(reader: JsonReader, kind: JobKind) -> tuple[Document | None, tuple[str, ...]]:
    """Return the request of the endpoint, or the ids that it has cancelled: exactly one of both, and only with its job.

    Raises:
        UsageError: it is otherwise. What the request says is judged by its job.
    """
    found, cancelled = reader.optional_child("request"), tuple(reader.optional_texts("requests_cancelled") or ())
    if (found is not None) + bool(cancelled) != (kind is JobKind.REQUEST):
        raise UsageError("request: a request of the endpoint, or ids, belong to the job of requests and to no other")
    if not all(map(is_request_id, cancelled)):
        raise UsageError("request: not the id of a request of the endpoint")
    return (dict(found.raw) if found is not None else None), cancelled


def _session(reader: JsonReader) -> str:
    """Return the requester's session; clients of earlier versions send none."""
    session = reader.optional_text("session") or ""
    if not _SESSION.fullmatch(session):
        raise UsageError(f"request: {session[:40]!r} is not a session of logind")
    return session


def encode_progress(message: str) -> bytes:
    """Return a progress line; an empty message is a keep-alive."""
    return f"{json.dumps({'progress': redact(message)})}\n".encode()


def encode_answer(answer: JobAnswer) -> bytes:
    """Return the last line."""
    document = {
        "exit_code": answer.exit_code,
        "document": answer.document,
        "error": answer.error,
        "recorded": answer.recorded,
        "warnings": list(answer.warnings),
    }
    return f"{json.dumps(redact_document(document))}\n".encode()


def decode_line(line: str) -> str | JobAnswer:
    """Parse a line from the worker: a progress message or the answer.

    Raises:
        RecordError: it is neither.
    """
    try:
        reader = JsonReader(json.loads(line), "answer of the worker")
    except ValueError as error:
        raise RecordError(f"answer of the worker: {error}") from error
    if "progress" in reader.raw:
        return reader.text("progress")
    document = reader.optional_child("document")
    return JobAnswer(
        exit_code=int(reader.number("exit_code")),
        document=dict(document.raw) if document else None,
        error=reader.text("error"),
        recorded=reader.boolean("recorded"),
        warnings=tuple(reader.texts("warnings")),
    )
