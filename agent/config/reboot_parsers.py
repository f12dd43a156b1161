"""Parsers of [reboot] and [services]. Each raises ValueError with what it accepts, as in `agent.config.parsers`."""

from datetime import timedelta

from agent.config.parsers import duration_within, match_url, parse_words
from agent.core.pattern import lazy_pattern
from agent.core.policy.policy import RebootMode, SessionsMode
from agent.core.reboot.hold_off import parse_hold_off

ENDPOINT = "endpoint"
"""The value of `reboot.fleetlock_url` that stands for the agent's own endpoint."""
_GROUP = lazy_pattern(r"[A-Za-z0-9.-]{1,100}")
"""The protocol's rule for groups, with a bound."""
_ID = lazy_pattern(r"[A-Za-z0-9._:-]{1,128}")
_UNIT_PATTERN = lazy_pattern(r"[A-Za-z0-9:_.\\@*?\[\]!-]{1,255}")
_NOTHING = timedelta(0)


def parse_reboot_mode(raw: object) -> RebootMode:
    """Accept "never" or "window"."""
    try:
        return RebootMode(raw)
    except ValueError as error:
        raise ValueError('accepted: "never" or "window"') from error


def parse_sessions_mode(raw: object) -> SessionsMode:
    """Accept "wait" or "never"."""
    try:
        return SessionsMode(raw)
    except ValueError as error:
        raise ValueError('accepted: "wait" or "never"') from error


def parse_not_before(raw: object) -> str:
    """Accept a date or a time of RFC 3339 as text, or "" for none."""
    if not isinstance(raw, str):
        raise ValueError('accepted: a date in quotes, such as "2026-12-27"')  # noqa: TRY004 - as all parsers
    if raw:
        parse_hold_off(raw)
    return raw


def parse_expected(raw: object) -> timedelta:
    """Accept a duration from a minute to twelve hours."""
    return duration_within(raw, timedelta(minutes=1), timedelta(hours=12), 'from "1m" to "12h"')


def parse_grace(raw: object) -> timedelta:
    """Accept a duration of at most twelve hours; "0s" for none."""
    return _or_none(raw, timedelta(hours=12), 'from "0s" to "12h"')


def parse_warning(raw: object) -> timedelta:
    """Accept a duration of at most one hour; "0s" for none."""
    return _or_none(raw, timedelta(hours=1), 'from "0s" to "1h"')


def parse_hook_timeout(raw: object) -> timedelta:
    """Accept a duration from a second to an hour."""
    return duration_within(raw, timedelta(seconds=1), timedelta(hours=1), 'from "1s" to "1h"')


def parse_fleetlock_url(raw: object) -> str:
    """Accept the base URL of a FleetLock server, "endpoint", or "" for none."""
    if raw in ("", ENDPOINT):
        return str(raw)
    found = match_url(raw)
    if found is None:
        raise ValueError(
            'accepted: a URL such as "https://fleetlock.example.org" without user, query or fragment, '
            '"endpoint" for the one of [endpoint], or ""'
        )
    if found["path"].rstrip("/").endswith(("/v1/pre-reboot", "/v1/steady-state", "/v1")):
        raise ValueError("accepted: the URL without /v1/pre-reboot: the agent appends it")
    return found[0].rstrip("/")


def parse_fleetlock_group(raw: object) -> str:
    """Accept the name of a group: ASCII letters, digits, dots and hyphens."""
    if not isinstance(raw, str) or not _GROUP.fullmatch(raw):
        raise ValueError("accepted: letters, digits, . and -, 100 at most")
    return raw


def parse_fleetlock_id(raw: object) -> str:
    """Accept "app", "zincati" or the id itself, in ASCII."""
    if not isinstance(raw, str) or not _ID.fullmatch(raw):
        raise ValueError('accepted: "app", "zincati", or an id of letters, digits, . _ : and -, 128 at most')
    return raw


def parse_unit_patterns(raw: object) -> tuple[str, ...]:
    """Accept a list of shell patterns of unit names."""
    patterns = parse_words(raw)
    for pattern in patterns:
        if not _UNIT_PATTERN.fullmatch(pattern):
            raise ValueError(f'{pattern!r}: accepted: shell patterns of unit names, such as "postgresql*"')
    return patterns


def _or_none(raw: object, most: timedelta, accepted: str) -> timedelta:
    return _NOTHING if raw == "0s" else duration_within(raw, timedelta(seconds=1), most, accepted)
