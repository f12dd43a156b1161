"""The fleet lock in `status`, by the record: held since when, kept until a person releases it. Pure and light."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.core.schemas import Document
from agent.report.layout import Line, Tone, field
from agent.report.status.section import Section
from agent.state.fleet_lock_view import FleetLockView, LockRefusalView
from agent.state.timestamps import format_age, format_human, format_utc

_LONG = timedelta(hours=1)
"""A reboot with its hooks takes less: a lock that is held for longer keeps other machines from their reboots."""
_PHASES = {"held": "held", "intent": "may be held (no answer of the server)", "releasing": "not given back yet"}


class LockStatus(Section):
    """What the record has of the fleet lock; `found` is None if there is nothing."""

    def __init__(self, found: FleetLockView | None, now: datetime) -> None:
        self._found = found
        self._now = now
        self._held = found if found is not None and found.since is not None and found.released_at is None else None

    @property
    def document(self) -> Document | None:
        """Return the `fleet_lock` of the status; None if nothing is on record."""
        if self._found is None:
            return None
        held, refusal = self._held, self._found.refusal
        return {
            "phase": held.phase if held else "free",
            "group": held.group if held else None,
            "url": held.url if held else None,
            "id": held.id if held else None,
            "since": format_utc(held.since) if held and held.since else None,
            "run_id": held.run_id if held else None,
            "kept": held.kept if held else None,
            "refusal": _refusal_document(refusal) if refusal else None,
        }

    @property
    def reasons(self) -> list[str]:
        """Return why a person should look: other machines of the group wait for this one."""
        held = self._held
        if held is None or held.since is None:
            return []
        if held.kept:
            how = "once the machine is well: `maestro-agent lock release`"
            return [f"the fleet lock of group {held.group} is kept ({held.kept}); {how}"]
        if self._now - held.since < _LONG:
            return []
        age = format_age(held.since, self._now).removesuffix(" ago")
        return [f"the fleet lock of group {held.group} has been held for {age}: `maestro-agent lock`"]

    def lines(self, width: int) -> Iterator[Line]:
        """Render the lock, if one is held or may be held."""
        held = self._held
        if held is None or held.since is None:
            return
        since = f"since {format_human(held.since)} ({format_age(held.since, self._now)})"
        phase = f"KEPT ({held.kept})" if held.kept else _PHASES.get(held.phase, held.phase)
        tone = Tone.FAILED if held.kept else None
        yield field("Fleet lock", f"{phase}, group {held.group}, {since}", width=width, tone=tone)


def _refusal_document(refusal: LockRefusalView) -> Document:
    return {
        "call": refusal.call,
        "since": format_utc(refusal.since),
        "at": format_utc(refusal.at),
        "why": refusal.why,
        "detail": refusal.detail,
    }
