"""When the daemon starts or continues provisioning. Pure."""

from datetime import datetime, timedelta

from agent.core.clock import is_future
from agent.core.frozen import frozen
from agent.core.provision.model import Provision
from agent.core.schedule.slots import JobAttempts, retry_delay

NEW_FOR = timedelta(days=7)
"""So long after its first boot a server counts as new, and provisioning that has not ended is continued."""

_MANY = 20
"""Failures after which the pauses of other jobs grow no more."""


@frozen
class NewServer:
    """What decides whether a server is new."""

    machine: str
    """As in `Provision`."""
    first_booted_at: datetime | None
    """None: unknown."""
    booted_at: datetime
    """When the running boot began, by the clock as it is set now."""
    boot_id: str | None = None
    """Of the kernel's boot; None: unknown."""


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
    # After the restart the packages are looked at once more, however long ago the beginning seems: without a clock that
    # runs while it is off, a new server often has the time only by then.
    restarted = recorded is not None and recorded.restarted(server.boot_id) and not _gave_up(recorded, attempts, server)
    # A first boot that lies far ahead says nothing: with a clock that was set back an old server would count as new.
    if began is None or (now - began > NEW_FOR and not restarted) or (recorded is None and began - now > NEW_FOR):
        return None
    at = min(began, now)
    last = attempts.last if attempts is not None else None
    if attempts is None or last is None or is_future(last, now):
        return at
    return max(at, last + _pause(recorded, attempts, last, server, share))


def _gave_up(recorded: Provision, attempts: JobAttempts | None, server: NewServer) -> bool:
    """Return whether the restart was tried for as long as a server counts as new, and not by a person afterwards.

    The server is no new one then, whenever it restarts: no wrong clock has made it old. A restart that came before
    another try would have is that of the last one.
    """
    last, pause = attempts.last if attempts is not None else None, retry_delay(_MANY, 1)
    if last is None or server.booted_at - last <= pause:
        return False
    return NEW_FOR - pause <= last - recorded.started_at <= NEW_FOR


def _pause(
    recorded: Provision | None, attempts: JobAttempts, last: datetime, server: NewServer, share: float
) -> timedelta:
    """Return how long after the last attempt the next one starts.

    What a job without failures left is tried with pauses that grow with the time that the phase lasts: a restart that
    a gate keeps from happening, a source that did not answer.
    """
    if attempts.failures:
        return retry_delay(attempts.failures, share)
    if recorded is None or not recorded.waits(server.boot_id):
        return timedelta(0)
    return min(max(last - recorded.entered_at, retry_delay(1, share)), retry_delay(_MANY, share))
