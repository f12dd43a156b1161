"""When a notification that failed is sent again. Pure; seconds."""

_FIRST_S, _LONGEST_S = 30.0, 3600.0
GIVE_UP_S = 3 * 86400.0
_REFUSES_ALL = frozenset({401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 426, 429})
"""Of 400 to 499: they are about the sender, the address or the moment, not about what is in the request."""
LATEST_S = 2 * _LONGEST_S
"""Nothing is put off for longer: what is due later was put off by a wrong clock."""


def retry_delay_s(attempts: int, chance: float, retry_after_s: float = 0.0) -> float:
    """Return the delay after so many failed attempts; `chance` is in [0, 1).

    It doubles up to an hour, less up to a quarter, and is not shorter than what the receiver asks for, up to an hour.
    """
    bound = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempts - 1, 10))
    return max(bound * (1.0 - chance / 4.0), min(max(retry_after_s, 0.0), _LONGEST_S))


def refuses_one(status: int) -> bool:
    """Return whether an HTTP status refuses one notification, so that the receiver may take the next one."""
    return 400 <= status < 500 and status not in _REFUSES_ALL  # noqa: PLR2004 - RFC 9110, "Client Error"


def is_given_up(created_at: float, now: float) -> bool:
    """Return whether a notification is too old to be sent."""
    return now - created_at > GIVE_UP_S
