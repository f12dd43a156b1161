"""A FleetLock server's tables in memory, with the endpoint's own decisions; and a fleet in simulated time."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from endpoint.core.lock_decisions import LockDecision, LockView, decide
from endpoint.core.locks import Holder, LockCall, LockOperation, LockResult, LockStatus, Waiter


@dataclass(kw_only=True)
class LockTable:
    """One group."""

    slots: int = 1
    group: str = "default"
    holders: dict[str, Holder] = field(default_factory=dict)
    waiters: dict[str, Waiter] = field(default_factory=dict)
    next_ticket: int = 1
    mean_hold_s: float | None = None

    def lock(self, client: str, now_s: float, **more: str) -> LockResult:
        return self.carry_out(self.call(LockOperation.LOCK, client, **more), now_s)

    def unlock(self, client: str, now_s: float, **more: str) -> LockResult:
        return self.carry_out(self.call(LockOperation.UNLOCK, client, **more), now_s)

    def call(self, operation: LockOperation, client: str, host: str | None = None) -> LockCall:
        return LockCall(operation=operation, group=self.group, client_id=client, slots=self.slots, host_id=host)

    def carry_out(self, call: LockCall, now_s: float) -> LockResult:
        """Decide a call, and apply the decision."""
        alive = {name: waiter for name, waiter in self.waiters.items() if waiter.counts_at(now_s)}
        own = alive.get(call.client_id)
        earlier = [waiter for waiter in alive.values() if own is None or waiter.ticket < own.ticket]
        view = LockView(
            call=call,
            now_s=now_s,
            next_ticket=self.next_ticket,
            mean_hold_s=self.mean_hold_s,
            holders=tuple(sorted(self.holders.values(), key=lambda holder: (holder.since_s, holder.client_id))),
            waiter=own,
            ahead=len(earlier),
        )
        first = sorted(earlier, key=lambda waiter: waiter.ticket)[: max(0, view.free)]
        view = replace(view, first=tuple(first))
        decision = decide(view)
        self._apply(view, decision)
        self._apply_to_queue(view, decision)
        return decision.result

    def _apply(self, view: LockView, decision: LockDecision) -> None:
        if decision.give_back is not None:
            del self.holders[decision.give_back.client_id]
        if decision.mean_hold_s is not None:
            self.mean_hold_s = decision.mean_hold_s
        if decision.hold is not None:
            if view.own is not None:
                del self.holders[view.own.client_id]
            self.holders[decision.hold.client_id] = decision.hold

    def _apply_to_queue(self, view: LockView, decision: LockDecision) -> None:
        for name, waiter in self.waiters.items():
            if waiter in decision.passed:
                self.waiters[name] = replace(waiter, passed=waiter.passed + 1)
        if decision.leave:
            self.waiters.pop(view.call.client_id, None)
        if decision.queue is not None:
            if view.waiter is None:
                self.next_ticket += 1
                self._remove_places(view.call.host_id, view.now_s)
            self.waiters[view.call.client_id] = decision.queue

    def _remove_places(self, host: str | None, now_s: float) -> None:
        for name, waiter in list(self.waiters.items()):
            if not waiter.counts_at(now_s) or (host is not None and waiter.host_id == host):
                del self.waiters[name]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the clients of a fleet behave."""

    interval: Callable[[int, int], float]
    """Seconds until a refused client asks again, by its number and the Retry-After of the answer."""
    reboot_s: Callable[[int], float]
    """How long a client keeps its slot."""
    gives_up: Callable[[int], bool] = lambda _number: False
    """Whether a client is switched off after it was refused once."""


def waits(kind: Kind, *, clients: int, slots: int) -> list[float]:
    """Let all clients of one group ask at once; return how long each waited for its slot, in the order of the slots.

    Clients that give up are not among them.
    """
    table = LockTable(slots=slots)
    counter = itertools.count()
    due = [(number / 1000, next(counter), number, LockOperation.LOCK) for number in range(clients)]
    found: list[float] = []
    while due:
        now, _, number, operation = heapq.heappop(due)
        answer = table.carry_out(table.call(operation, str(number)), now)
        assert len(table.holders) <= slots
        if answer.status is LockStatus.GRANTED:
            found.append(now - number / 1000)
            heapq.heappush(due, (now + kind.reboot_s(number), next(counter), number, LockOperation.UNLOCK))
        elif operation is LockOperation.LOCK and not kind.gives_up(number):
            later = now + kind.interval(number, answer.retry_after_s)
            heapq.heappush(due, (later, next(counter), number, LockOperation.LOCK))
    return found
