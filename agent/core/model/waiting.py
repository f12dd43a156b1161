"""Why an update waits for a time: a person's snooze, and how long this machine has known of it. Frozen values."""

from datetime import datetime

from agent.core.frozen import frozen


@frozen
class Snooze:
    """A person's decision to leave an update alone until a time."""

    what: str
    """`package` or `package:architecture`, or a CVE id."""
    until: datetime
    comment: str
    """One line."""
    by: str
    """The user."""
    at: datetime
    """When it was made."""
    ended_at: datetime | None = None
    """When it was seen to be over; it stays over, whatever the clock says later."""


@frozen
class Age:
    """How long this machine has known of one version of a package."""

    first_seen_at: datetime
    """When it was first in verified package lists here; never after `observed_at`."""
    observed_at: datetime
    """When the machine was observed: "now" of the gates."""
    cohort: int
    """This machine's part of a rollout, 0 to 99."""
    earlier_at: datetime | None = None
    """When an older version that is newer than the installed one was first seen; None: none was."""
