"""HTTP: routes requests, and turns every error into `application/problem+json`."""

import contextlib
import http
import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Map

from endpoint import log
from endpoint.config import Config
from endpoint.core.deduplicate import Deduplicated, MessageResult, MessageStatus
from endpoint.core.fleet import fleet_document
from endpoint.core.json_body import MAX_COMPRESSED_BYTES, inflate, parse_json
from endpoint.core.messages import Batch, Message, read_heartbeat, read_heartbeat_address, read_message
from endpoint.core.rate_limit import RateLimiter
from endpoint.errors import LaterError, RefusedError, StoreError
from endpoint.http.auth import Authenticator, Caller, peer_certificate
from endpoint.http.tls import BufferedTLSSocket
from endpoint.http.validation import Validators
from endpoint.store.database import Database
from endpoint.store.ingest import Ingest
from endpoint.store.queries import FleetQueries
from endpoint.store.tokens import Role, Tokens

_MAX_MESSAGES = 500
_LARGE_BYTES = 1 << 20
_RETRY_S = 30
_EXPLAINED_FAULTS = 3
_EXPLAINED_BYTES = 64 * 1024
"""Above these limits an error is described without the reference validator, which is slow."""
_HEARTBEATS = "/v1/hosts/<host>/instances/<instance>/heartbeats/<sequence>"
Headers = dict[str, str]


class Api:
    """The handlers of all routes."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._ingest = Ingest(database)
        self._queries = FleetQueries(database)
        self._authenticator = Authenticator(Tokens(database))
        self._validators = Validators()
        limits = config.limits
        self._rates = RateLimiter(per_minute=limits.requests_per_minute, burst=limits.burst)
        self._lock = Lock()
        self._large = Lock()

    def messages(self) -> Response:
        """Store a batch."""
        caller = self._sender()
        data = _body()
        # Large bodies one at a time: parsed, they take many times as much memory.
        with self._large if len(data) > _LARGE_BYTES else contextlib.nullcontext():
            return self._messages(caller, data)

    def _messages(self, caller: Caller, data: bytes) -> Response:
        document = parse_json(data)
        self._admit(caller, document.get("host_id") if isinstance(document, dict) else None)
        batch = self._read(document, precisely=len(data) <= _EXPLAINED_BYTES)
        decided = self._ingest.put(batch, datetime.now(timezone.utc))
        _log(batch, decided)
        return _json(_receipt(decided))

    def heartbeat(self, host: str, instance: str, sequence: str) -> Response:
        """Store a single heartbeat; 204 without a body if the receipt would have nothing to report."""
        caller = self._sender()
        place = read_heartbeat_address(host, instance, sequence)
        self._admit(caller, place.host_id)
        document: Any = parse_json(_body())
        _require(self._validators.heartbeat.fault(document), "maestro.heartbeat/1")
        batch = read_heartbeat(place, document)
        decided = self._ingest.put(batch, datetime.now(timezone.utc))
        _log(batch, decided)
        if decided.resend_state or any(result.code for result in decided.results):
            return _json(_receipt(decided))
        return _nothing()

    def health(self) -> Response:
        """Check that the database answers."""
        self._queries.check()
        return _json({"status": "ok"})

    def fleet(self) -> Response:
        """Return `maestro.fleet/1`; administrators only."""
        if self._caller().role is not Role.ADMIN:
            raise RefusedError(403, "this needs an administrator's token")
        now, fleet = datetime.now(timezone.utc), self._config.fleet
        return _json(fleet_document(self._queries.streams(now, fleet.expire_after), now, fleet.silent_after))

    def _caller(self) -> Caller:
        connection = request.environ.get("gunicorn.socket")
        certificate = peer_certificate(connection, request.headers, proxy_verifies=self._config.proxy_verifies)
        caller = self._authenticator.caller(request.headers.get("Authorization", ""), certificate)
        if isinstance(connection, BufferedTLSSocket):
            connection.mark_authenticated()  # the request now has its full time
        return caller

    def _sender(self) -> Caller:
        """Authenticate an agent; if it is bound to one host, its rate limit applies before the body is read."""
        caller = self._caller()
        if caller.role is not Role.AGENT:
            raise RefusedError(403, "an administrator's token cannot send messages")
        if caller.host_id is not None:
            self._count(caller.host_id)
        return caller

    def _admit(self, caller: Caller, host: object) -> None:
        """Check that the caller may send for the host, and apply the rate limit."""
        if caller.host_id is None:
            self._count(host[:36] if isinstance(host, str) else f"unknown host at {request.remote_addr}")
        elif isinstance(host, str) and caller.host_id != host:
            raise RefusedError(403, f"these credentials are not valid for host {host[:36]}")

    def _count(self, host: str) -> None:
        with self._lock:
            wait = self._rates.wait_s(host, time.monotonic())
        if wait > 0:
            raise LaterError(429, "this host exceeds its rate limit", math.ceil(wait))

    def _read(self, document: Any, *, precisely: bool) -> Batch:
        messages = document.get("messages") if isinstance(document, dict) else None
        if isinstance(messages, list) and len(messages) > _MAX_MESSAGES:
            raise RefusedError(413, f"more than {_MAX_MESSAGES} messages")
        _require(self._validators.batch.fault(document, precisely=precisely), "maestro.batch/1")
        return Batch(
            host_id=document["host_id"],
            instance_id=document["instance_id"],
            agent_version=document["agent_version"],
            messages=self._read_messages(document["messages"], precisely=precisely),
        )

    def _read_messages(self, raws: list[dict[str, Any]], *, precisely: bool) -> tuple[Message, ...]:
        messages, faults = [], 0
        for raw in raws:
            fault = self._validators.body(raw, precisely=precisely and faults < _EXPLAINED_FAULTS)
            faults += fault is not None
            messages.append(read_message(raw, fault))
        return tuple(messages)


def make_app(config: Config, database: Database) -> Flask:
    """Build the WSGI application."""
    api = Api(config, database)
    app = Flask("maestro-endpoint", static_folder=None)
    app.url_map = Map(merge_slashes=False)  # a malformed path gets 404, never a redirect
    rules: tuple[tuple[str, str, Callable[..., Response], str], ...] = (
        ("/v1/messages", "messages", api.messages, "POST"),
        (_HEARTBEATS, "heartbeat", api.heartbeat, "PUT"),
        ("/v1/health", "health", api.health, "GET"),
        ("/v1/fleet", "fleet", api.fleet, "GET"),
    )
    for address, name, answer, method in rules:
        app.add_url_rule(address, name, answer, methods=[method], provide_automatic_options=False)
    handlers: tuple[tuple[type[Exception], Callable[[Any], Response]], ...] = (
        (RefusedError, _refused),
        (StoreError, _unavailable),
        (HTTPException, _http_error),
        (Exception, _bug),
    )
    for kind, handler in handlers:
        app.register_error_handler(kind, handler)
    app.logger.handlers, app.logger.propagate = [log.EventHandler()], False
    if config.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=0)
    return app


def _body() -> bytes:
    """Read and inflate the body, within the limits of the contract."""
    if request.mimetype != "application/json":
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


def _require(fault: str | None, schema: str) -> None:
    if fault is not None:
        pointer, _, detail = fault.partition(": ")
        where = pointer.rstrip("/")  # RFC 6901: "" is the whole document
        raise RefusedError(422, f"not a {schema}: {fault}", ((where, detail),))


def _receipt(decided: Deduplicated) -> dict[str, Any]:
    return {
        "schema": "maestro.receipt/1",
        "results": [_result(result) for result in decided.results],
        "resend_state": decided.resend_state,
    }


def _result(result: MessageResult) -> dict[str, Any]:
    return {
        "key": result.key,
        "status": result.status.value,
        "code": result.code.value if result.code is not None else None,
        **({"sequence": result.sequence} if result.sequence is not None else {}),
        "detail": result.detail,
    }


def _log(batch: Batch, decided: Deduplicated) -> None:
    refused = [result.detail for result in decided.results if result.status is MessageStatus.REFUSED]
    if decided.state or decided.events or refused:
        log.event(
            "batch.stored",
            host=batch.host_id,
            instance=batch.instance_id,
            events=len(decided.events),
            state=decided.state is not None,
            **({"refused": refused[:3]} if refused else {}),
        )


def _json(document: object, status: int = 200, headers: Headers | None = None) -> Response:
    kind = "application/json" if status == http.HTTPStatus.OK else "application/problem+json"
    text = json.dumps(document, separators=(",", ":"))
    return Response(text, status=status, headers=headers, content_type=kind)


def _nothing() -> Response:
    answer = Response(status=204)
    del answer.headers["Content-Type"]  # there is no body
    return answer


def _problem(status: int, detail: str, errors: tuple[tuple[str, str], ...] = (), headers: Headers | None = None) -> Any:
    document: dict[str, object] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        document["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
    return _json(document, status, headers)


def _refused(error: RefusedError) -> Response:
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


def _unavailable(error: StoreError) -> Response:
    log.event("store.failed", detail=str(error))
    answer: Response = _problem(503, "the database does not answer", headers={"Retry-After": str(_RETRY_S)})
    return answer


def _http_error(error: HTTPException) -> Response:
    kept = {name: value for name, value in error.get_headers() if name in {"Allow"}}
    answer: Response = _problem(error.code or 400, error.description or "", headers=kept)
    return answer


def _bug(error: Exception) -> Response:
    """Answer 503, so that the agent keeps its messages and retries: the error is not theirs."""
    log.exception("request.failed", error, path=request.path)
    answer: Response = _problem(503, "internal error", headers={"Retry-After": str(_RETRY_S)})
    return answer
