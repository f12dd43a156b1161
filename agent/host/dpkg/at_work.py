"""Whether dpkg may be at work, as its database shows it to any user: its locks are root's."""

import os
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from agent.host.dpkg.installed import ADMIN_DIRECTORY

_UPDATES = "updates"
_SETTLE = timedelta(seconds=30)
"""Between two commands of one upgrade, at most. dpkg replaces its database at its end, and at times before."""
_LONGEST_SCRIPT = timedelta(hours=1)
"""How long a journal that does not grow is that of a dpkg at work: one that was interrupted leaves it behind."""


def has_journal(directory: str = ADMIN_DIRECTORY) -> bool:
    """Return whether the database has a journal: dpkg notes each package there before and after its scripts run.

    Raises:
        OSError: its directory cannot be read.
    """
    try:
        return any(name.isdecimal() for name in os.listdir(os.path.join(directory, _UPDATES)))
    except FileNotFoundError:
        return False


def may_be_at_work(now: datetime, directory: str = ADMIN_DIRECTORY) -> bool:
    """Return whether dpkg may be at work, and replace more files; False if nothing of its database can be read."""
    journal = False
    with suppress(OSError):
        journal = has_journal(directory)
    limits = {"status": _SETTLE, _UPDATES: _LONGEST_SCRIPT if journal else _SETTLE}
    return any(_changed_within(limit, os.path.join(directory, name), now) for name, limit in limits.items())


def _changed_within(limit: timedelta, path: str, now: datetime) -> bool:
    """Return whether it changed that short a time ago. A time ahead is of a clock that was set back."""
    try:
        changed_at = datetime.fromtimestamp(os.stat(path).st_ctime, timezone.utc)
    except OSError:
        return False
    return timedelta(seconds=-2) <= now - changed_at < limit
