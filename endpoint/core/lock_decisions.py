"""Decides one lock call: the answer, and what changes in the client's group. Pure."""

from dataclasses import dataclass, replace

from endpoint.core.locks import (
    MAX_HINT_S,
    Holder,
    LockCall,
    LockOperation,
    LockResult,
    LockStatus,
    Waiter,
    is_near,
    is_of_another_host,
    is_turn,
    may_pass,
    mean_hold_after,
    retry_after_s,
)

_MAX_WAITERS = 100_000
"""Of one group: a longer queue is no fleet but an attack, and gets no places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """What a group has when a call arrives."""

    call: LockCall
    now_s: float
    next_ticket: int
    mean_hold_s: float | None
    holders: tuple[Holder, ...]
    """The longest holder first."""
    waiter: Waiter | None
    """The client's own place in the queue; None: it has none, or lost it."""
    ahead: int
    """Clients before it, or all that wait if it has no place."""
    first: tuple[Waiter, ...] = ()
    """The first clients in the queue, one for each free slot; only needed if this one `is_near`."""

    @property
    def free(self) -> int:
        """Return the number of free slots; negative if there are fewer slots than holders."""
        return self.call.slots - len(self.holders)

    @property
    def is_near(self) -> bool:
        """Return whether the clients before this one decide; a client that was never refused passes none."""
        held = len(self.holders)
        return self.waiter is not None and is_near(slots=self.call.slots, held=held, ahead=self.ahead)

    @property
    def own(self) -> Holder | None:
        """Return the slot that the client holds: under this id, or under another id of the same host."""
        host = self.call.host_id
        same_id = [holder for holder in self.holders if holder.client_id == self.call.client_id]
        same_host = [holder for holder in self.holders if host is not None and holder.host_id == host]
        return next(iter(same_id + same_host), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDecision:
    """The answer, and the changes that must be durable before it is sent."""

    result: LockResult
    hold: Holder | None = None
    """The client's slot as it is from now on: a new one, or its own with other values."""
    give_back: Holder | None = None
    queue: Waiter | None = None
    """The client's place in the queue from now on."""
    leave: bool = False
    """True: the client's place in the queue is removed."""
    passed: tuple[Waiter, ...] = ()
    """Clients at the head of the queue that are passed now."""
    mean_hold_s: float | None = None
    """The group's new mean time of a reboot; None: unchanged."""


def decide(view: LockView) -> LockDecision:
    """Decide a call."""
    owners = [place.host_id for place in (view.own, view.waiter) if place is not None]
    if any(is_of_another_host(owner, view.call) for owner in owners):
        return LockDecision(result=_result(view, LockStatus.FOREIGN))
    if view.call.operation is LockOperation.UNLOCK:
        return _unlock(view)
    if view.own is not None:
        return _keep(view, view.own)
    if is_turn(slots=view.call.slots, held=len(view.holders), ahead=view.ahead):
        return _grant(view)
    if view.is_near and may_pass(free=view.free, first=view.first, now_s=view.now_s):
        return _grant(view, passed=view.first)
    return _refuse(view)


def _result(view: LockView, status: LockStatus, after_s: int = 0) -> LockResult:
    return LockResult(
        status=status, slots=view.call.slots, ahead=view.ahead, retry_after_s=after_s, holders=view.holders
    )


def _unlock(view: LockView) -> LockDecision:
    """Give back; a place in the queue is kept: a client without an answer gives back what it may hold, then asks."""
    if view.own is None:
        return LockDecision(result=_result(view, LockStatus.NOT_HELD))
    return LockDecision(
        result=_result(view, LockStatus.RELEASED),
        give_back=view.own,
        mean_hold_s=mean_hold_after(view.mean_hold_s, view.now_s - view.own.since_s),
    )


def _keep(view: LockView, own: Holder) -> LockDecision:
    call = view.call
    renewed = replace(
        own,
        client_id=call.client_id,
        host_id=own.host_id or call.host_id,
        last_asked_s=view.now_s,
        reason=call.reason or own.reason,
        address=call.address,
    )
    return LockDecision(result=_result(view, LockStatus.ALREADY_HELD), hold=renewed)


def _grant(view: LockView, passed: tuple[Waiter, ...] = ()) -> LockDecision:
    call = view.call
    held = Holder(
        group=call.group,
        client_id=call.client_id,
        host_id=call.host_id,
        since_s=view.now_s,
        last_asked_s=view.now_s,
        reason=call.reason,
        address=call.address,
    )
    return LockDecision(result=_result(view, LockStatus.GRANTED), hold=held, leave=True, passed=passed)


def _refuse(view: LockView) -> LockDecision:
    call, known = view.call, view.waiter
    is_full = len(view.holders) >= call.slots
    after_s = retry_after_s(
        slots=call.slots,
        held_since_s=[holder.since_s for holder in view.holders],
        ahead=view.ahead,
        mean_hold_s=view.mean_hold_s,
        now_s=view.now_s,
    )
    result = _result(view, LockStatus.FULL if is_full else LockStatus.QUEUED, after_s)
    if known is None and view.ahead >= _MAX_WAITERS:
        return LockDecision(result=replace(result, retry_after_s=MAX_HINT_S))
    place = Waiter(
        ticket=known.ticket if known is not None else view.next_ticket,
        since_s=known.since_s if known is not None else view.now_s,
        late_s=known.late_at(view.now_s) if known is not None else None,
        asked_s=view.now_s,
        hint_s=float(after_s),
        passed=known.passed if known is not None else 0,
        host_id=call.host_id or (known.host_id if known is not None else None),
    )
    return LockDecision(result=result, queue=place)
