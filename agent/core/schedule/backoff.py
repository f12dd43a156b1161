"""What a response's status means, and the delay before the next attempt. Pure: the jitter is an argument.

The table is that of OTLP/HTTP (opentelemetry-proto, docs/specification.md, "Failures"): 429, 502, 503, 504 and failed
connections are retried soon. One bad message must not hold up the others, and a wrong address or token is not the fault
of any message.
"""

from datetime import timedelta
from enum import Enum

_FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=15)
_LONGEST_RETRY_AFTER = timedelta(hours=1)
_SPREAD = timedelta(minutes=5)
"""Minimum jitter window added on top of Retry-After, so that a fleet given the same time does not return at once."""
_SOON = frozenset({429, 502, 503, 504})
_ABOUT_THE_MESSAGE = frozenset({400, 413, 422})
_SUCCESS = 200
_REDIRECT, _SERVER = 300, 500


class ResponseClass(Enum):
    """How to go on after a response."""

    OK = "ok"
    RETRY = "retry"
    """The other side is busy or unreachable: send the same again after a delay."""
    REJECTED = "rejected"
    """The request cannot be read: a smaller batch may be; a single message is refused permanently."""
    MISCONFIGURED = "misconfigured"
    """Address, token, certificate or method is wrong: a person has to act; nothing is dropped."""
    SERVER_ERROR = "server-error"
    """The other side has a bug: nothing is dropped, and the next attempt waits for the next heartbeat."""


def classify_status(status: int) -> ResponseClass:
    """Classify an HTTP status code. A redirect is a wrong address: it is never followed."""
    if status == _SUCCESS:
        return ResponseClass.OK
    if status in _SOON:
        return ResponseClass.RETRY
    if status in _ABOUT_THE_MESSAGE:
        return ResponseClass.REJECTED
    return ResponseClass.SERVER_ERROR if status >= _SERVER or status < _REDIRECT else ResponseClass.MISCONFIGURED


def backoff_delay(failures: int, chance: float, retry_after: timedelta | None = None) -> timedelta:
    """Return the delay after this many consecutive failures; `chance` is uniform in [0, 1).

    Full jitter: anything up to a bound that doubles from 30 s to 15 min. With Retry-After: at least that, spread over
    half as long again, or 5 min: a date is the same moment for a whole fleet.
    """
    bound = doubling_bound(_FIRST, failures, LONGEST)
    if retry_after is None:
        return bound * chance
    least = min(max(retry_after, timedelta(0)), _LONGEST_RETRY_AFTER)
    return least + max(bound, least / 2, _SPREAD) * chance


def doubling_bound(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    """Return the delay before jitter after so many failures in a row: `first`, doubled by each, up to `longest`."""
    return min(first * (1 << min(max(failures, 1) - 1, 16)), longest)
