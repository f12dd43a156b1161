"""Renders `maestro.fleet-lock/1` for people. Pure and light."""

from datetime import datetime

from agent.report.layout import Line, Tone, field
from agent.state.fleet_lock_view import FleetLockView
from agent.state.timestamps import format_age, format_human

_WIDTH = 13
_PHASES = {
    "intent": "requested; the answer is missing, so it may be held",
    "held": "held",
    "releasing": "being released; the next job tries again",
}
_GIVEN_BACK = "given back; a later job repeats that, because an earlier call has no answer"
_RESULTS = {
    "released": "The fleet lock is released: the next machine of the group may reboot.",
    "not-held": "No fleet lock was held.",
    "forgotten": "The record of the fleet lock is removed; no server was asked.",
}


def lock_lines(lock: FleetLockView, now: datetime) -> list[str]:
    """Render the lock of this machine: since when, where, and why a person has to release it."""
    if lock.free:
        return ["This machine holds no fleet lock.", *_refusal_lines(lock)]
    since = f" since {format_human(lock.since)} ({format_age(lock.since, now)})" if lock.since else ""
    if lock.released_at:
        return [field("Fleet lock", _GIVEN_BACK, width=_WIDTH), *_refusal_lines(lock)]
    phase = "KEPT" if lock.kept else _PHASES.get(lock.phase, lock.phase)
    tone = Tone.FAILED if lock.kept else None
    return [
        field("Fleet lock", f"{phase}{since}", width=_WIDTH, tone=tone),
        *([field("Because", lock.kept, width=_WIDTH, tone=tone)] if lock.kept else []),
        field("Server", f"{lock.url}, group {lock.group}, as {lock.id}", width=_WIDTH),
        *_purpose_lines(lock),
        *_refusal_lines(lock),
        *(
            [field("Next", "Once the machine is well: `maestro-agent lock release`.", width=_WIDTH)]
            if lock.kept
            else []
        ),
    ]


def release_lines(lock: FleetLockView) -> list[str]:
    """Render what `lock release` did."""
    return [Line(_RESULTS[lock.result], hang=2)] if lock.result in _RESULTS else []


def _purpose_lines(lock: FleetLockView) -> list[str]:
    run = f" (`maestro-agent history {lock.run_id}`)" if lock.run_id else ""
    return [field("For", f"{lock.reason or 'a reboot'}{run}", width=_WIDTH)] if lock.reason or run else []


def _refusal_lines(lock: FleetLockView) -> list[str]:
    refusal = lock.refusal
    if refusal is None:
        return []
    call = "A request for it" if refusal.call == "acquire" else "Its release"
    times = f"at {format_human(refusal.at)}"
    if refusal.since != refusal.at:
        times = f"since {format_human(refusal.since)}, last {times}"
    text = f"{call} did not succeed {times}: {refusal.detail or refusal.why}"
    return [field("Last call", text, width=_WIDTH, tone=Tone.HELD)]
