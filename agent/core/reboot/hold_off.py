"""The hold-off of reboots in a window: "not before 2026-12-27". Pure."""

from datetime import datetime, tzinfo

from agent.core.pattern import lazy_pattern

_DATE = lazy_pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = lazy_pattern(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2})?)(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_LATEST_YEAR = 9000
"""Windows are searched for some months after a hold-off, and Python's calendar ends in 9999."""
_ACCEPTED = 'accepted: a date such as "2026-12-27", or a time such as "2026-12-27T04:00" or "2026-12-27T04:00:00+01:00"'


def parse_hold_off(text: str) -> datetime:
    """Return the time of a hold-off; naive if it is one of the machine's local time. A date stands for its midnight.

    Raises:
        ValueError: it is neither a date nor a time of RFC 3339, with what is accepted.
    """
    found = _TIME.fullmatch(text)
    if found is None and not _DATE.fullmatch(text):
        raise ValueError(_ACCEPTED)
    # Rewritten: until Python 3.11 `fromisoformat` knew no Z.
    zone = "+00:00" if found and found["zone"] == "Z" else (found["zone"] or "" if found else "")
    try:
        moment = datetime.fromisoformat(f"{found['date']}T{found['time']}{zone}" if found else text)
    except ValueError as error:
        raise ValueError(f"{error}; {_ACCEPTED}") from error
    if moment.year > _LATEST_YEAR:
        raise ValueError(f"the year is beyond {_LATEST_YEAR}; {_ACCEPTED}")
    return moment


def hold_off_ends(text: str, local: tzinfo) -> datetime | None:
    """Return when a hold-off ends, aware; None: there is none. `local` is the machine's time zone.

    Raises:
        ValueError: as `parse_hold_off`.
    """
    if not text:
        return None
    found = parse_hold_off(text)
    return found if found.tzinfo else found.replace(tzinfo=local)
