"""Reboot slots: which client of a group gets one, in which order, and when a refused client asks again.

Pure: `now` is an argument; times are Unix seconds. The protocol, FleetLock (docs/endpoint/README.md), has no queue: a
refused client can only ask again. Here the first client refused is the first served: a free slot is reserved for the
clients that asked earlier, as long as they keep asking; one that asks seldom is passed by the next, so many times.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeGuard

MAX_ID = 256
_GROUP = re.compile(r"[a-zA-Z0-9.-]{1,64}")
"""The protocol's expression, with a limit."""
MAX_HINT_S = 120
"""Longest Retry-After: an estimate may be far too long, as when reboots suddenly take a third of the time."""
_MIN_HINT_S = 10
_SHARE = 0.5
"""Part of the expected wait after which a client should ask again: it then gets a better estimate."""
_FIRST_TURN_S = 360.0
"""A client that was refused once is expected within zincati's interval, 300 s and 10 %, and some seconds."""
_LATER_TURN_S = 30.0
_LATE_FACTOR = 1.25
_MAX_LATE_S = 900.0
_UNKNOWN_HOLD_S = 30.0
"""Assumed time of a reboot until the first one in a group has ended; too short costs only calls."""
_MAX_HOLD_S = 3600.0
"""A slot that was held longer says nothing about the time of a reboot."""
_NEW_SHARE = 0.2
_LEAST_OF_HOLD = 1 / 30
_NEXT, _NEXT_BY_SLOT = 10, 2
"""How far ahead of its turn a client may get a slot that would stay free."""
_MAX_PASSED = 20
"""Then a free slot waits for the client: so nobody starves."""
CLOCK_TOLERANCE_S = 300.0
"""How far ahead a request may lie: the clocks of several processes differ, and are corrected.

What lies farther ahead was recorded by a clock that was wrong, and says nothing about when the client asks again.
"""
_SOON_S = 15.0
"""A client that is expected this soon is waited for."""


class LockOperation(Enum):
    """The two calls of the protocol."""

    LOCK = "pre-reboot"
    UNLOCK = "steady-state"


class LockStatus(Enum):
    """The result of a call."""

    GRANTED = "granted"
    ALREADY_HELD = "already-held"
    FULL = "full"
    """All slots are held."""
    QUEUED = "queued"
    """A slot is free, but reserved for clients that asked earlier."""
    RELEASED = "released"
    NOT_HELD = "not-held"
    FOREIGN = "foreign"
    """Another host's credentials are bound to this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCall:
    """One request of a client."""

    operation: LockOperation
    group: str
    client_id: str
    slots: int
    """Of the group, as configured; 0: nobody may reboot, or the group is no longer configured."""
    host_id: str | None = None
    """The host that the caller's credentials are bound to; None: any."""
    anonymous: bool = False
    """True without a token or certificate."""
    reason: str = ""
    """Why the client wants to reboot; empty: it did not say."""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A client that holds a slot."""

    group: str
    client_id: str
    host_id: str | None
    since_s: float
    last_asked_s: float
    reason: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A refused client's place in the queue of its group."""

    ticket: int
    """Number of its first request in this group: the order of the queue."""
    since_s: float
    asked_s: float
    hint_s: float
    """Retry-After of the last answer."""
    late_s: float | None = None
    """How long after that time it asked the last time; None: it has asked only once."""
    host_id: str | None = None
    passed: int = 0
    """How often a later client got a slot that was reserved for this one."""

    @property
    def is_due_s(self) -> float:
        """Return when this client is expected to ask again."""
        return self.asked_s + self.hint_s + (self.late_s or 0.0)

    @property
    def expires_s(self) -> float:
        """Return until when a free slot is reserved for this client.

        A client that returns as announced loses its place soon after it stops; one with an interval of its own gets
        that interval.
        """
        late = _FIRST_TURN_S if self.late_s is None else self.late_s * _LATE_FACTOR + _LATER_TURN_S
        return self.asked_s + self.hint_s + late

    def counts_at(self, now_s: float) -> bool:
        """Return whether a free slot is reserved for this client."""
        return self.asked_s <= now_s + CLOCK_TOLERANCE_S and self.expires_s > now_s

    def late_at(self, now_s: float) -> float:
        """Return how late this client is if it asks now."""
        return min(max(0.0, now_s - self.asked_s - self.hint_s), _MAX_LATE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockResult:
    """What is answered to a call."""

    status: LockStatus
    slots: int = 0
    ahead: int = 0
    """Clients that are served before this one."""
    retry_after_s: int = 0
    holders: tuple[Holder, ...] = field(default=())

    @property
    def succeeded(self) -> bool:
        """Return whether the client has what it asked for."""
        return self.status not in {LockStatus.FULL, LockStatus.QUEUED, LockStatus.FOREIGN}


def is_group(name: object) -> bool:
    """Return whether a value is the name of a group."""
    return isinstance(name, str) and _GROUP.fullmatch(name) is not None


def is_client_id(value: object) -> TypeGuard[str]:
    """Return whether a value is an id: text for which every database and terminal is safe."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()


def is_turn(*, slots: int, held: int, ahead: int) -> bool:
    """Return whether a client gets a slot: more are free than clients wait before it."""
    return ahead < slots - held


def is_near(*, slots: int, held: int, ahead: int) -> bool:
    """Return whether a slot is free that is reserved for others, and this client's turn comes soon."""
    free = slots - held
    return 0 < free <= ahead < free + _NEXT + slots * _NEXT_BY_SLOT


def may_pass(*, free: int, first: Sequence[Waiter], now_s: float) -> bool:
    """Return whether a client that is near may get a free slot before the first ones in the queue, one for each slot.

    Some clients ask only every few minutes, and their slot would stay free until then. A slot is kept for each that is
    about to ask, and all are if one was passed too often.
    """
    soon = sum(abs(waiter.is_due_s - now_s) <= _SOON_S for waiter in first)
    return soon < free and all(waiter.passed < _MAX_PASSED for waiter in first)


def retry_after_s(
    *, slots: int, held_since_s: Sequence[float], ahead: int, mean_hold_s: float | None, now_s: float
) -> int:
    """Return in how many seconds a refused client should ask again.

    The client at the head of the queue asks soon after a slot becomes free, the others seldom: each time it asks after
    half of the time until its expected turn.
    """
    hold = mean_hold_s if mean_hold_s is not None else _UNKNOWN_HOLD_S
    least = min(max(1.0, hold * _LEAST_OF_HOLD), _MIN_HINT_S)
    if slots < 1:
        return MAX_HINT_S
    left = sorted(max(0.0, since + hold - now_s) for since in held_since_s)[-slots:]
    left = [0.0] * (slots - len(left)) + left
    wait = left[ahead % slots] + ahead // slots * hold
    return math.ceil(min(max(wait * _SHARE, least), MAX_HINT_S))


def mean_hold_after(mean_s: float | None, held_s: float) -> float:
    """Return the mean time of a reboot after one more; recent ones weigh more."""
    held = min(max(held_s, 1.0), _MAX_HOLD_S)
    return held if mean_s is None else mean_s + (held - mean_s) * _NEW_SHARE


def is_of_another_host(owner: str | None, call: LockCall) -> bool:
    """Return whether an id in use belongs to a host that the caller may not speak for.

    A token for any host may, as it may send any host's messages. An id that no credentials are bound to may be used by
    anybody who knows it, as the protocol has it.
    """
    return owner is not None and (call.anonymous or call.host_id not in {None, owner})
