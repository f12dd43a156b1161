"""HTTP: routes requests, and turns every error into `application/problem+json`, or into a page."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Map

from endpoint import log
from endpoint.config.model import Config
from endpoint.core.deduplicate import Deduplicated, MessageResult, MessageStatus
from endpoint.core.fleet import fleet_document
from endpoint.core.json_body import parse_json
from endpoint.core.lock_report import client_hosts, locks_by_host, locks_document
from endpoint.core.messages import Batch, Message, read_heartbeat, read_heartbeat_address, read_message
from endpoint.errors import RefusedError, StoreError
from endpoint.http.admission import Admission
from endpoint.http.auth import Caller
from endpoint.http.deploy_api import DeployApi
from endpoint.http.enrolment_api import ENROL_PATH, EnrolmentApi
from endpoint.http.exchange import (
    LOCK_PATH,
    UNLOCK_PATH,
    answer_bug,
    answer_http_error,
    answer_refused,
    answer_unavailable,
    json_answer,
    no_content,
    read_body,
    require_valid,
)
from endpoint.http.lock_api import LockApi
from endpoint.http.metrics_api import METRICS_PATHS, MetricsApi
from endpoint.http.pages.registry import page_modules
from endpoint.http.pages.site import PageContext, Site
from endpoint.http.people.gate import Gate, LoginRequiredError, answer_login_required
from endpoint.http.request_api import REQUEST_PATH, RequestApi, takes_requests
from endpoint.http.validation import Validators
from endpoint.store.database import Database
from endpoint.store.fleet_pages import FleetPages
from endpoint.store.ingest import Ingest
from endpoint.store.lock_queries import LockQueries
from endpoint.store.queries import FleetQueries

_MAX_MESSAGES = 500
_LARGE_BYTES = 1 << 20
_EXPLAINED_FAULTS = 3
_EXPLAINED_BYTES = 64 * 1024
"""Above these limits an error is described without the reference validator, which is slow."""
_HEARTBEATS = "/v1/hosts/<host>/instances/<instance>/heartbeats/<sequence>"


class Api:
    """The handlers of all routes."""

    def __init__(self, config: Config, database: Database, admission: Admission) -> None:
        self._config = config
        self._admission = admission
        self._ingest = Ingest(database)
        self._queries = FleetQueries(database)
        self._locks = LockQueries(database)
        self._validators = Validators()
        self._large = Lock()

    def messages(self) -> Response:
        """Store a batch."""
        caller = self._admission.sender()
        data = read_body()
        # Large bodies one at a time: parsed, they take many times as much memory.
        with self._large if len(data) > _LARGE_BYTES else contextlib.nullcontext():
            return self._messages(caller, data)

    def _messages(self, caller: Caller, data: bytes) -> Response:
        document = parse_json(data)
        self._admission.admit(caller, document.get("host_id") if isinstance(document, dict) else None)
        batch = self._read(document, precisely=len(data) <= _EXPLAINED_BYTES)
        decided = self._ingest.put(batch, datetime.now(timezone.utc), takes_requests=takes_requests())
        _log(batch, decided)
        return json_answer(_receipt(decided))

    def heartbeat(self, host: str, instance: str, sequence: str) -> Response:
        """Store a single heartbeat; 204 without a body if the receipt would have nothing to report."""
        caller = self._admission.sender()
        place = read_heartbeat_address(host, instance, sequence)
        self._admission.admit(caller, place.host_id)
        document: Any = parse_json(read_body())
        require_valid(self._validators.heartbeat.fault(document), "maestro.heartbeat/1")
        batch = read_heartbeat(place, document)
        decided = self._ingest.put(batch, datetime.now(timezone.utc), takes_requests=takes_requests())
        _log(batch, decided)
        if decided.resend_state or not decided.delivery.is_empty or any(result.code for result in decided.results):
            return json_answer(_receipt(decided))
        return no_content()

    def health(self) -> Response:
        """Check that the database answers."""
        self._queries.check()
        return json_answer({"status": "ok"})

    def fleet(self) -> Response:
        """Return `maestro.fleet/1`; administrators only."""
        self._admission.administrator()
        now, fleet = datetime.now(timezone.utc), self._config.fleet
        streams = self._queries.streams(now, fleet.expire_after)
        locks = locks_by_host(self._locks.locks(now), streams, now, self._config.locks.settings)
        return json_answer(fleet_document(streams, now, fleet.silent_after, locks))

    def locks(self) -> Response:
        """Return `maestro.locks/1`; administrators only."""
        self._admission.administrator()
        now = datetime.now(timezone.utc)
        locks = self._locks.locks(now)
        streams = self._queries.streams(now, self._config.fleet.expire_after, host_ids=client_hosts(locks))
        return json_answer(locks_document(locks, streams, now, self._config.locks.settings))

    def _read(self, document: Any, *, precisely: bool) -> Batch:
        messages = document.get("messages") if isinstance(document, dict) else None
        if isinstance(messages, list) and len(messages) > _MAX_MESSAGES:
            raise RefusedError(413, f"more than {_MAX_MESSAGES} messages")
        require_valid(self._validators.batch.fault(document, precisely=precisely), "maestro.batch/1")
        return Batch(
            host_id=document["host_id"],
            instance_id=document["instance_id"],
            agent_version=document["agent_version"],
            messages=self._read_messages(document["messages"], precisely=precisely),
            sent_at=document["sent_at"],
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
    admission = Admission(config, database)
    api, locks = Api(config, database, admission), LockApi(config, database, admission)
    requests, metrics = RequestApi(database, admission), MetricsApi(config, database, admission)
    app = Flask("maestro-endpoint", static_folder=None)
    app.url_map = Map(merge_slashes=False)  # a malformed path gets 404, never a redirect
    rules: tuple[tuple[str, str, Callable[..., Response], str], ...] = (
        ("/v1/messages", "messages", api.messages, "POST"),
        (_HEARTBEATS, "heartbeat", api.heartbeat, "PUT"),
        (REQUEST_PATH, "request", requests.confirm, "GET"),
        (ENROL_PATH, "enrol", EnrolmentApi(database, admission).enrol, "POST"),
        ("/v1/health", "health", api.health, "GET"),
        ("/v1/fleet", "fleet", api.fleet, "GET"),
        ("/v1/locks", "locks", api.locks, "GET"),
        *((path, f"metrics at {path}", metrics.metrics, "GET") for path in METRICS_PATHS),
        (LOCK_PATH, "pre-reboot", locks.pre_reboot, "POST"),
        (UNLOCK_PATH, "steady-state", locks.steady_state, "POST"),
    )
    for address, name, answer, method in rules:
        app.add_url_rule(address, name, answer, methods=[method], provide_automatic_options=False)
    gate, fleet = Gate(config, database), FleetPages(database, config.fleet.settings)
    for route in DeployApi(config, database, gate, fleet).routes():
        app.add_url_rule(
            route.path, route.endpoint, route.handler, methods=list(route.methods), provide_automatic_options=False
        )
    handlers: tuple[tuple[type[Exception], Callable[[Any], Response]], ...] = (
        (LoginRequiredError, answer_login_required),
        (RefusedError, answer_refused),
        (StoreError, answer_unavailable),
        (HTTPException, answer_http_error),
        (Exception, answer_bug),
    )
    site = _add_people(app, config, database, gate, fleet)
    for kind, handler in handlers:
        app.register_error_handler(kind, _for_people(site, handler) if config.dashboard.enabled else handler)
    app.logger.handlers, app.logger.propagate = [log.EventHandler()], False
    if config.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=0)
    return app


def _add_people(app: Flask, config: Config, database: Database, gate: Gate, fleet: FleetPages) -> Site:
    """Add the pages, and what people's programs read under /v1."""
    site = Site(gate.visitor, gate.form_token)
    context = PageContext(config=config, database=database, site=site, gate=gate, fleet=fleet)
    site.register(app, page_modules(context), pages=config.dashboard.enabled)
    return site


def _for_people(site: Site, handler: Callable[[Any], Response]) -> Callable[[Any], Response]:
    """Return a handler whose answer is a page where a page was asked for; a form of an earlier login comes back."""

    def answer(error: Exception) -> Response:
        problem = handler(error)
        return site.resend(error) or site.as_page(problem)

    return answer


def _receipt(decided: Deduplicated) -> dict[str, Any]:
    return {
        "schema": "maestro.receipt/1",
        "results": [_result(result) for result in decided.results],
        "resend_state": decided.resend_state,
        **({"requests": list(decided.delivery.requests)} if decided.delivery.requests else {}),
        **({"requests_cancelled": list(decided.delivery.cancelled)} if decided.delivery.cancelled else {}),
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
    requests = [str(request["id"]) for request in decided.delivery.requests]
    if decided.state or decided.events or refused or requests:
        log.event(
            "batch.stored",
            host=batch.host_id,
            instance=batch.instance_id,
            events=len(decided.events),
            state=decided.state is not None,
            **({"refused": refused[:3]} if refused else {}),
            **({"requests": requests} if requests else {}),
        )
