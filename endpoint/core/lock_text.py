"""Reboot slots as text for people. Pure."""

from datetime import datetime, timezone

from endpoint.core.locks import Holder, LockResult
from endpoint.core.timestamps import format_age

_NAMED = 3


def refusal(result: LockResult, now: datetime, *, with_holders: bool) -> str:
    """Return why a client gets no slot now; other clients are named to authenticated ones only."""
    if result.slots == 0:
        return "no host of this group may reboot: it has 0 slots"
    held = len(result.holders)
    parts = [f"{held} of {result.slots} slots {'are' if result.slots > 1 else 'is'} held"]
    if result.ahead:
        parts.append(f"{result.ahead} client{'s' if result.ahead > 1 else ''} asked earlier")
    if with_holders and held:
        named = [_holder(holder, now) for holder in result.holders[:_NAMED]]
        parts.append(f"held by {', '.join(named)}{' and others' if held > _NAMED else ''}")
    return "; ".join(parts)


def _holder(holder: Holder, now: datetime) -> str:
    return f"{holder.client_id} for {format_age(datetime.fromtimestamp(holder.since_s, timezone.utc), now)}"
