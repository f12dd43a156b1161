"""When to speak to the centre next: at slots of the machine's own, later after failures, never all at once. Pure.

A fleet's clocks are right, so whatever goes by a common moment (the end of a power cut or of an outage, a date in an
answer) would bring all machines at once. Slots are splayed by machine; what is waited after a failure is drawn by lot.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.core.clock import EXPORT_ATTEMPT_TOLERANCE, MAX_EXPORT_WAIT, is_future
from agent.core.schedule.backoff import LONGEST, ResponseClass, backoff_delay
from agent.core.schedule.slots import Interval

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportState:
    """Where the telling stands."""

    last: datetime | None = None
    """When the last attempt ended."""
    failures: int = 0
    """How many attempts in a row came to nothing, the last among them."""
    not_before: datetime | None = None
    """Until when to wait whatever happens: after a failure, or for more to be sent without a burst."""


def next_export_at(
    slots: Interval, pulse: ExportState, *, now: datetime, up_since: datetime, changed: bool
) -> datetime:
    """Return when to speak next; a moment that is not after now means at once.

    `up_since` is when this machine began to be able to: after a power cut a whole fleet has missed its slots, and waits
    for the next ones. `changed` says that there is something new to tell, which need not wait for a slot.
    """
    if pulse.last is not None and is_future(pulse.last, now, EXPORT_ATTEMPT_TOLERANCE):
        pulse = ExportState()  # the clock was set back: what was written before it says nothing of now
    if pulse.not_before is not None and not is_future(pulse.not_before, now, MAX_EXPORT_WAIT):
        if now < pulse.not_before:
            return pulse.not_before
        if pulse.last is not None and pulse.last <= pulse.not_before:
            return max(pulse.not_before, up_since)
    if changed:
        return now
    return slots.next(min(max(pulse.last or up_since, up_since), now))


def state_after(
    verdict: ResponseClass, before: ExportState, *, now: datetime, chance: float, told: timedelta | None = None
) -> ExportState:
    """Return the pulse after an attempt that the centre answered so; a failed connection is `Verdict.AGAIN`."""
    failures = before.failures + 1
    if verdict is ResponseClass.RETRY:
        return ExportState(last=now, failures=failures, not_before=now + backoff_delay(failures, chance, told))
    if verdict is ResponseClass.MISCONFIGURED:
        return ExportState(last=now, failures=failures, not_before=now + LONGEST * (1 + 2 * chance) / 3)
    if verdict is ResponseClass.SERVER_ERROR:
        return ExportState(last=now, failures=failures)
    return ExportState(last=now)


def rate_limited(pulse: ExportState, sent: int, burst: int) -> ExportState:
    """Return the pulse where more waits than was sent: what was sent takes its time, at `burst` messages a minute."""
    last = pulse.last
    return pulse if last is None else ExportState(last=last, not_before=last + _MINUTE * (sent / burst))
