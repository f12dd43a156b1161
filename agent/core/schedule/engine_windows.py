"""When the daemon upgrades Docker or Weave by itself: in a maintenance window, once in each opening at most. Pure."""

from datetime import datetime, timedelta, tzinfo

from agent.core.frozen import frozen
from agent.core.model.engine_outcome import EngineResult
from agent.core.model.engine_plan import EngineWindow
from agent.core.schedule.slots import boot_grace_ends_at
from agent.core.windows import Opening, Window, WindowState, standing

PREPARATION = timedelta(minutes=15)
"""Beside the expected downtime: downloads and packages, the start of containers, a rollback."""
_UNKNOWN_DOWNTIME = timedelta(minutes=15)


@frozen
class EngineWork:
    """What the last check planned for an engine."""

    plan_id: str
    startable: bool
    """Whether there is something to do, and nothing blocks it."""
    expected_s: float | None = None
    """The longest expected downtime; None: unknown."""

    @property
    def needed(self) -> timedelta:
        """How much of a window the upgrade needs."""
        return needed_time(self.expected_s)


@frozen
class LastTry:
    """The last upgrade of an engine, whoever requested it."""

    at: datetime
    plan_id: str | None = None
    result: EngineResult | None = None
    """None: unknown."""


def needed_time(expected_s: float | None) -> timedelta:
    """Return how much of a window an upgrade needs, from the longest expected downtime; None: unknown."""
    return PREPARATION + (_UNKNOWN_DOWNTIME if expected_s is None else timedelta(seconds=expected_s))


def engine_window(window: Window, needed: timedelta, now: datetime, local: tzinfo) -> EngineWindow:
    """Return the window with the opening in which an upgrade may start: the present one, or the next one."""
    opening = next_opening(window, needed, None, now=now, local=local)
    return EngineWindow(
        text=window.text, opens_at=opening.start if opening else None, closes_at=opening.end if opening else None
    )


def window_start(
    window: Window, work: EngineWork, last: LastTry | None, *, now: datetime, local: tzinfo
) -> datetime | None:
    """Return when the daemon starts the upgrade; a time that is not after now means at once, None: not by itself.

    After a try that needs attention nothing is started, and after a rollback not the same plan again.
    """
    if not work.startable or _needs_person(work, last):
        return None
    opening = next_opening(window, work.needed, last, now=now, local=local)
    return opening.start if opening else None


def after_boot(start: datetime, *, up_since: datetime, share: float) -> datetime:
    """Return when an upgrade starts whose window opened before the daemon did: not while the machine is booting."""
    return max(start, boot_grace_ends_at(up_since, share)) if start < up_since else start


def next_opening(
    window: Window, needed: timedelta, last: LastTry | None, *, now: datetime, local: tzinfo
) -> Opening | None:
    """Return the opening in which an upgrade may start; None: no opening is long enough."""
    found = standing(window, now, needed=needed, local=local)
    if found.state is WindowState.OPEN and last is not None and found.opening.start <= last.at <= now:
        found = standing(window, found.opening.end, needed=needed, local=local)
    return None if found.state is WindowState.TOO_SHORT else found.opening


def _needs_person(work: EngineWork, last: LastTry | None) -> bool:
    if last is None:
        return False
    if last.result is EngineResult.FAILED_NEEDS_ATTENTION:
        return True
    return last.result is EngineResult.ROLLED_BACK and last.plan_id == work.plan_id
