"""Requests for tests; a test changes the one thing that it is about."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from agent.core.requests.judge import RequestRules, WorkWindow
from agent.core.requests.model import Malformed, Request, Verb
from agent.core.requests.wire import read_request
from agent.core.windows import parse_window
from agent.state.timestamps import format_utc
from tests.core.given import NOW

HOST = "00000000-0000-4000-8000-000000000001"
DAY = timedelta(days=1)
NO_WINDOWS: Mapping[Verb, WorkWindow] = {}


def window(text: str) -> WorkWindow:
    """Return a window in UTC for work of a quarter of an hour."""
    return WorkWindow(window=parse_window(text, lambda _name: timezone.utc), needed=timedelta(minutes=15))


SATURDAY = window("Sat 02:00-04:00 UTC")
"""Its next opening after `NOW` is on 2026-11-28."""


def request_id(number: int = 1) -> str:
    """Return the id of one of many requests."""
    return f"00000000-0000-4000-9000-{number:012}"


def document(
    number: int = 1, *, created_at: datetime | str = NOW, lives: timedelta = DAY, **changed: Any
) -> dict[str, Any]:
    """Return a valid `maestro.request/1`, with changes."""
    is_text = isinstance(created_at, str)
    at = NOW if isinstance(created_at, str) else created_at
    return {
        "schema": "maestro.request/1",
        "id": request_id(number),
        "host_id": HOST,
        "verb": "upgrade-security",
        "arguments": {},
        "created_at": created_at if is_text else format_utc(at),
        "expires_at": format_utc(at + lives),
        "requested_by": "jörg",
        "comment": "",
        "plan_id": None,
        "signature": None,
        **changed,
    }


def request(number: int = 1, **changed: Any) -> Request:
    """Return a valid request."""
    found = read_request(document(number, **changed))
    assert isinstance(found, Request), found
    return found


def malformed(**changed: Any) -> Malformed:
    """Return what is read from a document that is no valid request."""
    found = read_request(document(**changed))
    assert isinstance(found, Malformed), found
    return found


def rules(*allow: Verb, windows: Mapping[Verb, WorkWindow] = NO_WINDOWS, signed: bool = False) -> RequestRules:
    """Return the rules of a host that allows these verbs; without any, all."""
    return RequestRules(
        host_id=HOST, allow=frozenset(allow or Verb), windows=windows, local=timezone.utc, signed=signed
    )
