"""When the daemon starts or continues provisioning. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.core.clock import is_future
from agent.core.provision.model import Provision
from agent.core.schedule.slots import JobAttempts, retry_delay

NEW_FOR = timedelta(days=7)
"""So long after its first boot a server counts as new, and provisioning that has not ended is continued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServer:
    """What decides whether a server is new."""

    machine: str
    """As in `Provision`."""
    first_booted_at: datetime | None
    """None: unknown."""


def provision_at(
    recorded: Provision | None,
    attempts: JobAttempts | None,
    server: NewServer,
    *,
    first_boot: bool,
    share: float,
    now: datetime,
) -> datetime | None:
    """Return when a job provisions this server; None: it is not to be provisioned, or was.

    What a person or `first_boot` began is continued until it has ended, with growing pauses after failures.
    """
    if recorded is not None and recorded.machine != server.machine:
        recorded = None  # the disk of another server
    if recorded is None:
        began = server.first_booted_at if first_boot else None
    else:
        began = None if recorded.done else recorded.started_at
    if began is None or now - began > NEW_FOR:
        return None
    at = min(began, now)
    last = attempts.last if attempts is not None else None
    if attempts is None or last is None or not attempts.failures or is_future(last, now):
        return at
    return max(at, last + retry_delay(attempts.failures, share))
