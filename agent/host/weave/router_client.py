"""GET /report of the running router: one request, bounded in time and size, never through a proxy."""

import json
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse

from agent.core.model.facts import Unseen
from agent.core.model.weave import RouterReport
from agent.core.redact import redact
from agent.core.weave.router_report import router_report

_DEADLINE_S = 5.0
_MOST_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 16


def read_report(host: str, port: int, deadline_s: float = _DEADLINE_S) -> RouterReport | Unseen:
    """Return the report; a router that is not ready has one, too."""
    connection = HTTPConnection(host, port, timeout=deadline_s)
    try:
        # without this header it is 400 (W13)
        connection.request("GET", "/report", headers={"Accept": "application/json"})
        return _parsed(connection, time.monotonic() + deadline_s)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unseen(reason=redact(f"http://{host}:{port}/report: {reason}"))
    finally:
        connection.close()


def _parsed(connection: HTTPConnection, until: float) -> RouterReport:
    response = connection.getresponse()
    body = _body(connection, response, until)
    if response.status not in {200, 503}:
        raise ValueError(f"HTTP status {response.status}")
    return router_report(json.loads(body))


def _body(connection: HTTPConnection, response: HTTPResponse, until: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES} bytes")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no complete answer in time")
        if connection.sock:
            connection.sock.settimeout(left)
    return bytes(body)
