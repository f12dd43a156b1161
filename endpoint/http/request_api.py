"""Requests over HTTP: whether an agent takes them, and the confirmation of one that is not signed."""

from flask import Response, request

from endpoint.core.host_id import require_path_uuid
from endpoint.errors import RefusedError
from endpoint.http.admission import Admission
from endpoint.http.exchange import json_answer
from endpoint.store.database import Database
from endpoint.store.request_queries import RequestQueries

REQUEST_PATH = "/v1/hosts/<host>/requests/<identity>"
_HEADER = "Maestro-Requests"


def takes_requests() -> bool:
    """Return whether the sender of the current request takes requests in the response."""
    return str(request.headers.get(_HEADER)) == "1"


class RequestApi:
    """The handler of the route."""

    def __init__(self, database: Database, admission: Admission) -> None:
        self._admission = admission
        self._queries = RequestQueries(database)

    def confirm(self, host: str, identity: str) -> Response:
        """Return a request that was delivered and has not ended, to the host that it is for."""
        caller = self._admission.sender()
        for name, text in (("host_id", host), ("id", identity)):
            require_path_uuid(name, text)
        self._admission.admit(caller, host)
        found = self._queries.in_flight(host, identity)
        if found is None:
            raise RefusedError(404, "no such request of this host was delivered and is still wanted")
        return json_answer(found)
