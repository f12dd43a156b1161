"""Enrolment over HTTP: an agent exchanges an enrolment key for a token of its host."""

from datetime import datetime, timezone
from typing import Any

from flask import Response, request

from endpoint import log
from endpoint.core.enrolment import EnrolmentAnswer, EnrolmentWhy
from endpoint.core.json_body import parse_json
from endpoint.errors import LaterError, RefusedError
from endpoint.http.admission import Admission
from endpoint.http.exchange import json_answer, read_body, require_valid
from endpoint.http.validation import Validator
from endpoint.store.database import Database
from endpoint.store.enrolments import EnrolmentRequest, EnrolmentResult, Enrolments

ENROL_PATH = "/v1/enrol"
_SCHEMA = "maestro.enrolment/1"
_ASK_AGAIN_S = 60
_LATER_S = 3600
_REFUSALS = {
    EnrolmentAnswer.REFUSE: (403, "the enrolment of this host was refused"),
    EnrolmentAnswer.EXPIRED: (410, "the enrolment key has expired"),
    EnrolmentAnswer.USED_UP: (410, "the enrolment key was used as often as it may be"),
}
_WHY = {
    EnrolmentWhy.APPROVAL_REQUIRED: "a person has to approve each host of this key",
    EnrolmentWhy.KNOWN_HOST: "the endpoint knows a host with this id: a person has to approve another token for it",
    EnrolmentWhy.TOKEN_IN_USE: "this host has a token that was used or revoked: a person has to approve another one",
}


class EnrolmentApi:
    """The handler of the route."""

    def __init__(self, database: Database, admission: Admission) -> None:
        self._admission = admission
        self._enrolments = Enrolments(database)
        self._validator = Validator("maestro.enrolment-1")

    def enrol(self) -> Response:
        """Issue a token, or answer that a person has to approve it first."""
        key_id = self._admission.enrolment_key()
        document: Any = parse_json(read_body())
        require_valid(self._validator.fault(document), _SCHEMA)
        host = str(document["host_id"])
        # Apart from its messages: whoever has a key could name another host, and use up what it may send.
        self._admission.count(f"enrolment of {host}")
        if self._admission.certified_host() not in {None, host}:
            raise RefusedError(403, "the client certificate belongs to another host")
        asked = EnrolmentRequest(
            host_id=host,
            instance_id=document["instance_id"],
            name=document["name"] or "",
            agent_version=document["agent_version"],
            address=request.remote_addr or "",
        )
        result = self._enrolments.ask(key_id, asked, datetime.now(timezone.utc))
        if result is None:
            raise RefusedError(401, "the enrolment key is unknown or revoked")
        log.event(
            "host.enrolment", host=host, instance=asked.instance_id, key=key_id, answer=result.decision.answer.value,
            token=result.token_id,
        )  # fmt: skip
        return _answer(host, result)


def _answer(host: str, result: EnrolmentResult) -> Response:
    answer, why = result.decision.answer, result.decision.why
    if answer in _REFUSALS:
        raise RefusedError(*_REFUSALS[answer])
    if answer is EnrolmentAnswer.TOO_MANY:
        raise LaterError(429, "too many hosts with this key wait for approval", _LATER_S)
    document = {
        "schema": "maestro.enrolled/1",
        "host_id": host,
        "status": "enrolled" if result.token is not None else "waiting",
        "token": result.token,
        "detail": _WHY[why] if why is not None else None,
    }
    headers = {"Cache-Control": "no-store"}
    if result.token is None:
        return json_answer(document, 202, {**headers, "Retry-After": str(_ASK_AGAIN_S)})
    return json_answer(document, 201, headers)
