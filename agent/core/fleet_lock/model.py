"""A slot of a FleetLock server, as frozen values: what the record has of it, and what a call ended with.

The protocol is "FleetLock" of Zincati: a client takes a slot of its group before it reboots (`/v1/pre-reboot`) and
gives it back once it is up again (`/v1/steady-state`). Both calls are idempotent for the client that sends them.
"""

from datetime import datetime, timedelta
from enum import Enum
from typing import Literal

from agent.core.frozen import frozen

LockWhy = Literal["", "fleet-lock", "lock-unreachable"]
"""Why a call did not succeed: the server refused, or nothing certain is known. Empty: it did."""


@frozen
class LockAnswer:
    """What a call to take or to give back a slot ended with."""

    granted: bool
    """True: the slot is taken, or given back."""
    why: LockWhy = ""
    detail: str = ""
    """The server's message or the fault, in one line without secrets; empty if there is none."""
    retry_after: timedelta | None = None
    """When the server wants to be asked again (Retry-After); None: it does not say."""


class LockPhase(Enum):
    """How far a lock came. Each phase is on disk before the call that follows it."""

    INTENT = "intent"
    """About to be taken, or taken and the answer got lost."""
    HELD = "held"
    RELEASING = "releasing"
    """About to be given back, or given back and the answer got lost."""


@frozen
class HeldLock:
    """A slot that this host holds, or may hold: a call without a certain answer counts as taken."""

    phase: LockPhase
    url: str
    """Base URL of the server that was called; the slot is given back there, whatever is configured by then."""
    group: str
    id: str
    """This host's name at the server."""
    since: datetime
    """When the record of it was begun."""
    boot_id: str
    soft_reboots: int
    """The boot in which it was taken: the kernel's boot id, and systemd's SoftRebootsCount."""
    machine: str = ""
    """Identity of the machine that took it: a copy of its disk does not give it back. Empty if it is unknown."""
    run_id: str = ""
    """The run that took it; empty if it is unknown."""
    reason: str = ""
    """What it was taken for."""
    kept: str = ""
    """Why only a person may release it: the problems after the reboot; empty: the next job may."""
    released_at: datetime | None = None
    """When the server confirmed that the slot is given back; the record stays while a call is not settled."""
    acquire_settles_at: datetime | None = None
    """Until when a call to take it that has no answer may still be carried out; None: each has one."""
    release_settles_at: datetime | None = None
    """The same of a call to give it back: a slot that is taken before then could be lost again unnoticed."""


class LockCall(Enum):
    """The two calls."""

    ACQUIRE = "acquire"
    RELEASE = "release"


@frozen
class LockRefusal:
    """The last call that did not succeed, for `status` and `explain`."""

    call: LockCall
    at: datetime
    since: datetime
    """When the first one of an unbroken series was."""
    answer: LockAnswer


@frozen
class LockRecord:
    """What is on record: a slot, and a call that did not succeed since."""

    lock: HeldLock | None = None
    refusal: LockRefusal | None = None


NO_LOCK = LockRecord()
