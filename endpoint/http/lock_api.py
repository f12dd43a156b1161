"""FleetLock: a client takes a slot of its group before it reboots, and gives it back once it is up again.

Protocol: zincati, docs/development/fleetlock/protocol.md. Success is 200 without a body; every error is a JSON object
with `kind` and `value`.
"""

from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from flask import Response, request

from endpoint import log
from endpoint.config.model import Config
from endpoint.core.json_body import parse_json
from endpoint.core.lock_text import refusal
from endpoint.core.locks import LockCall, LockOperation, LockResult, LockStatus, is_client_id, is_group
from endpoint.http.admission import Admission
from endpoint.http.exchange import lock_error, read_body
from endpoint.store.database import Database
from endpoint.store.locks import LockStore

_HEADER = "fleet-lock-protocol"
_REASON = "Maestro-Lock-Reason"
"""Optional, ours: why the client wants to reboot. The body may hold nothing but the protocol's members."""
_MAX_REASON = 256
_MAX_ADDRESS = 64
_KINDS = {LockStatus.FULL: "failed_lock_semaphore_full", LockStatus.QUEUED: "failed_lock_queued"}
_EVENTS = {LockStatus.GRANTED: "lock.granted", LockStatus.RELEASED: "lock.released"}


class LockApi:
    """The handlers of the protocol's two routes."""

    def __init__(self, config: Config, database: Database, admission: Admission) -> None:
        self._config = config.locks
        self._admission = admission
        self._store = LockStore(database)

    def pre_reboot(self) -> Response:
        """Take a slot (RecursiveLock)."""
        return self._carry_out(LockOperation.LOCK)

    def steady_state(self) -> Response:
        """Give the client's slot back, if it holds one (UnlockIfHeld)."""
        return self._carry_out(LockOperation.UNLOCK)

    def _carry_out(self, operation: LockOperation) -> Response:
        if request.headers.get(_HEADER) != "true":
            return _invalid("missing_header", f"the request needs the header `{_HEADER}: true`")
        caller = self._admission.lock_client(without_token=self._config.without_token)
        parameters = _parameters(parse_json(read_body(any_type=True)))
        group, client = parameters.get("group"), parameters.get("id")
        if not is_client_id(client) or not isinstance(group, str):
            return _invalid("invalid_client_identity", "client_params needs an id and a group, both text")
        if caller is None or caller.host_id is None:
            self._admission.count(client)
        slots = self._config.groups.get(group)
        if slots is None and not (operation is LockOperation.UNLOCK and is_group(group) and self._store.knows(group)):
            return _invalid("unknown_group", f"the group {group[:64]!a} is not configured on this server")
        call = LockCall(
            operation=operation,
            group=group,
            client_id=client,
            slots=slots or 0,
            host_id=caller.host_id if caller is not None else None,
            anonymous=caller is None,
            reason=_reason(),
            address=(request.remote_addr or "")[:_MAX_ADDRESS],
        )
        now = datetime.now(timezone.utc)
        return _answer(call, self._store.carry_out(call, now), now)


def _parameters(document: object) -> dict[str, Any]:
    """Return the member `client_params`; empty if it is missing or no object. Others are ignored."""
    found = document.get("client_params") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _reason() -> str:
    text = request.headers.get(_REASON, "")
    return text[:_MAX_REASON] if text.isprintable() else ""


def _answer(call: LockCall, result: LockResult, now: datetime) -> Response:
    if result.status in _EVENTS:
        log.event(
            _EVENTS[result.status], group=call.group, client=call.client_id, host=call.host_id, reason=call.reason
        )
    if result.succeeded:
        answer = Response(status=HTTPStatus.OK)
        del answer.headers["Content-Type"]  # there is no body
        return answer
    if result.status is LockStatus.FOREIGN:
        return lock_error(HTTPStatus.FORBIDDEN, "foreign_id", "this id belongs to another host than the credentials")
    value = refusal(result, now, with_holders=not call.anonymous)
    return lock_error(HTTPStatus.LOCKED, _KINDS[result.status], value, {"Retry-After": str(result.retry_after_s)})


def _invalid(kind: str, value: str) -> Response:
    log.event("request.refused", status=HTTPStatus.BAD_REQUEST, detail=value, address=request.remote_addr)
    return lock_error(HTTPStatus.BAD_REQUEST, kind, value)
