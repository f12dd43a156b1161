"""What an answer of the centre means, and how long to wait before the next attempt. Pure: chance is an argument.

The table is that of OTLP/HTTP (opentelemetry-proto, docs/specification.md, "Failures"): 429, 502, 503, 504 and failed
connections are tried again soon. What is wrong with one message must not hold up the others, and what is wrong with
the address or the token is no message's fault.
"""

from datetime import timedelta
from enum import Enum

_FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=15)
_LONGEST_TOLD = timedelta(hours=1)
_SPREAD = timedelta(minutes=5)
"""What is waited by lot beyond what was told, at least: many machines may have been told the same moment."""
_SOON = frozenset({429, 502, 503, 504})
_ABOUT_THE_MESSAGE = frozenset({400, 413, 422})
_SUCCESS = 200
_REDIRECT, _SERVER = 300, 500


class ResponseClass(Enum):
    """What an answer's status says."""

    OK = "ok"
    """There is a receipt to be read."""
    RETRY = "retry"
    """The other side is busy or away: wait and send the same again."""
    REJECTED = "rejected"
    """The batch cannot be read: a smaller one may, and one message alone is refused for good."""
    MISCONFIGURED = "misconfigured"
    """Address, token, certificate or method: a person's move; everything is kept."""
    SERVER_ERROR = "server-error"
    """The other side has a bug: everything is kept, and not tried again before the next heartbeat."""


def classify_status(status: int) -> ResponseClass:
    """Say what a status code of HTTP means. A redirect is a wrong address: it is never followed."""
    if status == _SUCCESS:
        return ResponseClass.OK
    if status in _SOON:
        return ResponseClass.RETRY
    if status in _ABOUT_THE_MESSAGE:
        return ResponseClass.REJECTED
    return ResponseClass.SERVER_ERROR if status >= _SERVER or status < _REDIRECT else ResponseClass.MISCONFIGURED


def backoff_delay(failures: int, chance: float, told: timedelta | None = None) -> timedelta:
    """Return how long to wait after so many failures in a row.

    Full jitter: anything up to a bound that doubles to a quarter of an hour (`chance` is uniform from 0 up to 1). Where
    the other side says how long (`Retry-After`), not shorter than that, and spread over half as long again, or five
    minutes: a date is the same moment for a whole fleet.
    """
    bound = doubling_bound(_FIRST, failures, LONGEST)
    if told is None:
        return bound * chance
    least = min(max(told, timedelta(0)), _LONGEST_TOLD)
    return least + max(bound, least / 2, _SPREAD) * chance


def doubling_bound(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    """Return the delay before jitter after so many failures in a row: `first`, doubled by each, up to `longest`."""
    return min(first * (1 << min(max(failures, 1) - 1, 16)), longest)
