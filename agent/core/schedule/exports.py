"""When an exporter runs next: in per-machine slots, later after failures, never all machines at once. Pure.

The clocks of a fleet are right, so whatever follows a common time (the end of a power cut or of an outage, a date in a
response) would bring all machines at the same moment. Slots are spread by machine; delays after failures have jitter.
"""

from datetime import datetime, timedelta

from agent.core.clock import EXPORT_ATTEMPT_TOLERANCE, MAX_EXPORT_WAIT, is_future
from agent.core.frozen import frozen, replace
from agent.core.schedule.backoff import LONGEST, ResponseClass, backoff_delay
from agent.core.schedule.slots import Interval

_MINUTE = timedelta(minutes=1)


@frozen
class ExportState:
    """An exporter's backoff state, kept from run to run."""

    last: datetime | None = None
    """End of the last attempt."""
    failures: int = 0
    """Consecutive failed attempts, the last included."""
    not_before: datetime | None = None
    """Earliest next attempt: after a failure, or to send queued events without a burst."""

    def next(self, slots: Interval, *, now: datetime, up_since: datetime, changed: bool) -> datetime:
        """Return the time of the next attempt; one that is not after `now` means at once.

        `up_since` is when this machine started to be able to: after a power cut a whole fleet has missed its slots, and
        waits for the next ones. `changed`: there is something new to send, which does not wait for a slot.
        """
        set_back = self.last is not None and is_future(self.last, now, EXPORT_ATTEMPT_TOLERANCE)
        state = ExportState() if set_back else self  # what was written before the clock was set back does not count
        if state.not_before is not None and not is_future(state.not_before, now, MAX_EXPORT_WAIT):
            if now < state.not_before:
                return state.not_before
            if state.last is not None and state.last <= state.not_before:
                return max(state.not_before, up_since)
        if changed:
            return now
        return slots.next(min(max(state.last or up_since, up_since), now))

    def after(
        self, response: ResponseClass, *, now: datetime, chance: float, retry_after: timedelta | None = None
    ) -> "ExportState":
        """Return the state after an attempt with this response; `chance` is the jitter factor, uniform in [0, 1)."""
        failures = self.failures + 1
        if response is ResponseClass.RETRY:
            not_before = now + backoff_delay(failures, chance, retry_after)
            return ExportState(last=now, failures=failures, not_before=not_before)
        if response is ResponseClass.MISCONFIGURED:
            return ExportState(last=now, failures=failures, not_before=now + LONGEST * (1 + 2 * chance) / 3)
        if response is ResponseClass.SERVER_ERROR:
            return ExportState(last=now, failures=failures)
        return ExportState(last=now)

    def rate_limited(self, sent: int, burst: int) -> "ExportState":
        """Return the state where more is queued than was sent: what was sent counts as `burst` messages a minute."""
        return self if self.last is None else ExportState(last=self.last, not_before=self.last + _MINUTE * sent / burst)


@frozen
class ExportTick:
    """What one tick of the daemon knows about one exporter."""

    now: datetime
    up_since: datetime
    slots: Interval
    local: bool
    """Nothing leaves the machine, so that the first run need not wait for a slot."""
    seen: object
    """A value that differs once there is something new to send; None while that is not known."""


@frozen
class ExportSchedule:
    """What the daemon remembers about one exporter between ticks."""

    settings: object = None
    reconfigured: bool = False
    """The settings may have changed after the last start: previous failures no longer delay the next attempt."""
    exported: object = None
    """`ExportTick.seen` at the last start."""
    started_at: datetime | None = None
    """Last start: a process that writes no status is not started again before the next slot."""
    set_back_at: datetime | None = None
    """Since when the last attempt is in the future, as the clock was set back."""

    def configured(self, settings: object) -> "ExportSchedule":
        """Return the schedule under these settings."""
        if settings == self.settings:
            return self
        return replace(self, settings=settings, reconfigured=True)

    def started(self, tick: ExportTick) -> "ExportSchedule":
        """Return the schedule after a start."""
        return replace(self, exported=tick.seen or self.exported, started_at=tick.now, reconfigured=False)

    def next(self, state: ExportState, tick: ExportTick) -> tuple[datetime, "ExportSchedule"]:
        """Return when the exporter is due, and the schedule to go on with; `state` is of its status file.

        A time that is not after `tick.now` means at once. A later one holds until `tick.seen` or the state changes.
        """
        if tick.local and (self.started_at is None or self.reconfigured):
            return tick.now, self
        state, schedule = self._reconciled(state, tick.now)
        changed = self.exported is not None and tick.seen is not None and tick.seen != self.exported
        due_at = state.next(tick.slots, now=tick.now, up_since=tick.up_since, changed=changed)
        if due_at <= tick.now:
            return due_at, schedule
        return due_at, replace(schedule, exported=self.exported or tick.seen)

    def _reconciled(self, state: ExportState, now: datetime) -> tuple[ExportState, "ExportSchedule"]:
        """Return the state with what the daemon knows better: its own last start, and a clock that was set back."""
        started = self.started_at
        # Documents have whole seconds: an attempt in the first second of its slot seems to be from before it.
        if started is not None and started <= now and (state.last is None or state.last < started):
            state = replace(state, last=started)
        set_back_at = None
        if state.last is not None and state.last > now:  # do not wait until the clock is there again
            set_back_at = min(self.set_back_at or now, now)
            state = replace(state, last=set_back_at)
        state = ExportState(last=state.last) if self.reconfigured else state
        return state, replace(self, set_back_at=set_back_at)
