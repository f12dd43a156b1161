"""Ids of runs: the second of the start, and a number from the second run with the same one on.

They sort as text everywhere, also in earlier versions and in outboxes, so that the number keeps three digits.
"""

from datetime import datetime, timedelta

_MOST_NUMBER = 999


def next_run_id(newest: str, now: datetime) -> str:
    """Return the id of a run that starts now; it sorts after the newest one, empty: there is none.

    A clock that was ahead for one run gives its second to all runs until that time has come: after 999 of them the next
    second follows.
    """
    second, _, number = newest.partition("-")
    base = f"{now:%Y%m%dT%H%M%SZ}"
    if newest < base:
        return base
    following = int(number or 1) + 1
    if following <= _MOST_NUMBER:
        return f"{second}-{following:03}"
    return f"{datetime.strptime(second, '%Y%m%dT%H%M%S%z') + timedelta(seconds=1):%Y%m%dT%H%M%SZ}"
