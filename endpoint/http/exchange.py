"""Reads request bodies, and turns documents and errors into responses; shared by all routes."""

import http
import json
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from endpoint import log
from endpoint.core.json_body import MAX_COMPRESSED_BYTES, inflate
from endpoint.errors import LaterError, RefusedError, StoreError

LOCK_PATH, UNLOCK_PATH = "/v1/pre-reboot", "/v1/steady-state"
"""FleetLock's paths; their errors have its form."""
_LOCK_KINDS = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    405: "method_not_allowed",
    411: "length_required",
    413: "body_too_large",
    415: "unsupported_encoding",
    429: "rate_limited",
    503: "unavailable",
}
_RETRY_S = 30
Headers = dict[str, str]


def read_body(*, any_type: bool = False) -> bytes:
    """Read and inflate the body, within the limits of the contract; FleetLock names no content type.

    Raises:
        RefusedError: 400, 411, 413 or 415.
    """
    if request.mimetype != "application/json" and not any_type:
        raise RefusedError(415, "the body must be application/json")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"gzip", "identity"}:
        raise RefusedError(415, "the body must be gzip, or not encoded")
    if request.content_length is None or "Transfer-Encoding" in request.headers:
        raise RefusedError(411, "the request needs a Content-Length")
    most = MAX_COMPRESSED_BYTES
    if request.content_length > most:
        raise RefusedError(413, f"the body is longer than {most} bytes")
    data = request.get_data(cache=False)
    if len(data) < request.content_length:
        raise RefusedError(400, "the body is cut short")
    return inflate(data) if encoding == "gzip" else data


def require_valid(fault: str | None, schema: str) -> None:
    """Refuse a document that has a fault, as `/pointer: message`.

    Raises:
        RefusedError: 422.
    """
    if fault is not None:
        pointer, _, detail = fault.partition(": ")
        where = pointer.rstrip("/")  # RFC 6901: "" is the whole document
        raise RefusedError(422, f"not a {schema}: {fault}", ((where, detail),))


def json_answer(document: object, status: int = 200, headers: Headers | None = None) -> Response:
    """Return a document, or with a status from 400 on an error (RFC 9457)."""
    kind = "application/json" if status < http.HTTPStatus.BAD_REQUEST else "application/problem+json"
    text = json.dumps(document, separators=(",", ":"))
    return Response(text, status=status, headers=headers, content_type=kind)


def lock_error(status: int, kind: str, value: str, headers: Headers | None = None) -> Response:
    """Return an error of the FleetLock protocol: `kind` is from a closed list, `value` is for people."""
    text = json.dumps({"kind": kind, "value": value}, separators=(",", ":"))
    return Response(text, status=status, headers=headers, content_type="application/json")


def no_content() -> Response:
    """Return 204."""
    answer = Response(status=204)
    del answer.headers["Content-Type"]  # there is no body
    return answer


def _problem(status: int, detail: str, errors: tuple[tuple[str, str], ...] = (), headers: Headers | None = None) -> Any:
    if request.path in {LOCK_PATH, UNLOCK_PATH}:
        return lock_error(status, _LOCK_KINDS.get(status, f"http_{status}"), detail, headers)
    document: dict[str, object] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    return json_answer(document, status, headers)


def answer_refused(error: RefusedError) -> Response:
    """Answer a rejected request."""
    headers: Headers = {}
    if isinstance(error, LaterError):
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="maestro-endpoint"'
    if 0 < (request.content_length or 0) <= MAX_COMPRESSED_BYTES:
        try:
            request.get_data(cache=False)  # an unread body would make the connection unusable
        except (OSError, HTTPException):  # the client has gone or stalls: it gets the refusal, if it still listens
            headers["Connection"] = "close"
    log.event("request.refused", status=error.status, detail=error.detail, address=request.remote_addr)
    answer: Response = _problem(error.status, error.detail, error.errors, headers)
    return answer


def answer_unavailable(error: StoreError) -> Response:
    """Answer 503 while the database does not answer."""
    log.event("store.failed", detail=str(error))
    answer: Response = _problem(503, "the database does not answer", headers={"Retry-After": str(_RETRY_S)})
    return answer


def answer_http_error(error: HTTPException) -> Response:
    """Answer a wrong path or method."""
    kept = {name: value for name, value in error.get_headers() if name in {"Allow"}}
    answer: Response = _problem(error.code or 400, error.description or "", headers=kept)
    return answer


def answer_bug(error: Exception) -> Response:
    """Answer 503, so that the agent keeps its messages and retries: the error is not theirs."""
    # The rule, not the path: that of a one-time link is its secret.
    path = str(request.url_rule) if request.url_rule is not None else request.path
    log.exception("request.failed", error, path=path)
    answer: Response = _problem(503, "internal error", headers={"Retry-After": str(_RETRY_S)})
    return answer
