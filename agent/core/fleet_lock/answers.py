"""What a FleetLock server's answer means. Pure.

Status and error kinds differ from server to server. For a full group airlock answers 500 `failed_lock`,
poseidon/fleetlock 423 `lock_held`, heathcliff26/fleetlock 423 `all_slots_full`. An answer is therefore classified by
status and kind together. What is not certain counts as "may have been carried out".
"""

import json
from datetime import timedelta
from enum import Enum

from agent.core.frozen import frozen

_DONE = frozenset({200, 204})
"""The protocol names 200 only; Zincati accepts all of 2xx. 202 would be a promise, not a slot."""
_LOCKED = 423
_CLIENT_ERRORS = range(400, 500)
_LOST_ON_THE_WAY = frozenset({202, 408, 499, 502, 504})
"""Of a proxy that gave up on a request which the server may have, or of a server that is not done."""
_REDIRECTS = range(300, 400)
_FULL = frozenset({"lock_held", "all_slots_full", "failed_lock_semaphore_full"})
_AIRLOCK_REFUSES = "failed_lock"
_AIRLOCK_FULL = "slots currently locked"
"""airlock has the same kind for a full group and for a failure of etcd; its text differs."""
_LONGEST_KIND = 64


class Meaning(Enum):
    """What is certain after a call."""

    DONE = "done"
    """The slot is taken, or given back."""
    REFUSED = "refused"
    """This host holds no slot: others hold them all."""
    REJECTED = "rejected"
    """The call changed nothing: the request is wrong, or it did not reach the server."""
    UNCERTAIN = "uncertain"
    """The server may have carried it out, and has ended with it."""
    IN_FLIGHT = "in-flight"
    """The server may carry it out yet."""


@frozen
class ServerAnswer:
    """One answer, or why there is none."""

    status: int = 0
    """HTTP status; 0: there is no complete answer."""
    body: str = ""
    is_page: bool = False
    """Whether it is HTML: no lock server, but a login page or a proxy."""
    sent: bool = True
    """Whether the request may have reached the server."""
    fault: str = ""
    """Why there is no complete answer; empty if there is one."""
    retry_after: timedelta | None = None


@frozen
class ServerError:
    """The body of an error, `{"kind": …, "value": …}`; empty texts where it has another shape."""

    kind: str = ""
    value: str = ""


def server_error(body: str) -> ServerError:
    """Parse the body of an error. airlock sends JSON as text/plain: the type of the content says nothing."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ServerError()
    kind, value = (found.get("kind"), found.get("value")) if isinstance(found, dict) else (None, None)
    return ServerError(
        kind=kind[:_LONGEST_KIND] if isinstance(kind, str) else "", value=value if isinstance(value, str) else ""
    )


def meaning_of_acquire(answer: ServerAnswer) -> Meaning:
    """Return what is certain after a call to take a slot."""
    if answer.fault:
        return Meaning.IN_FLIGHT if answer.sent else Meaning.REJECTED
    if answer.status in _DONE:
        return Meaning.UNCERTAIN if answer.is_page else Meaning.DONE
    if _says_full(answer):
        return Meaning.REFUSED
    return _of_failure(answer.status)


def meaning_of_release(answer: ServerAnswer) -> Meaning:
    """Return what is certain after a call to give a slot back.

    poseidon/fleetlock answers "held by another one" where the protocol demands success: this host then holds nothing.
    """
    meaning = meaning_of_acquire(answer)
    return Meaning.DONE if meaning is Meaning.REFUSED and answer.status == _LOCKED else meaning


def describe(answer: ServerAnswer) -> str:
    """Return the server's message, or the fault, with the status; the text is foreign and not cleaned."""
    if answer.fault:
        return answer.fault
    if answer.status in _REDIRECTS:
        return f"HTTP {answer.status}: the server redirects; a lock is only taken at the configured URL"
    if answer.is_page:
        return f"HTTP {answer.status} with a web page: this is not a FleetLock server"
    error = server_error(answer.body)
    return ": ".join(filter(None, (f"HTTP {answer.status} {error.kind}".strip(), error.value)))


def _of_failure(status: int) -> Meaning:
    if status in _LOST_ON_THE_WAY:
        return Meaning.IN_FLIGHT
    return Meaning.REJECTED if status in _REDIRECTS or status in _CLIENT_ERRORS else Meaning.UNCERTAIN


def _says_full(answer: ServerAnswer) -> bool:
    error = server_error(answer.body)
    if error.kind == _AIRLOCK_REFUSES:
        return _AIRLOCK_FULL in error.value
    return answer.status == _LOCKED or error.kind in _FULL
