"""The exposure of one host by day, from its fixes. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from endpoint.core.fleet_model import CurveDay, FixLine

_DAY_S = 86400.0


def curve_of_fixes(fixes: Sequence[FixLine], now_s: float, days: int) -> tuple[CurveDay, ...]:
    """Return the fixes that were not active at the end of each day, today at `now_s`; the oldest day first."""
    today = now_s - now_s % _DAY_S
    ends = [min(now_s, today - back * _DAY_S + _DAY_S) for back in range(days - 1, -1, -1)]
    return tuple(
        _day(fixes, today - back * _DAY_S, end) for back, end in zip(range(days - 1, -1, -1), ends, strict=True)
    )


def _day(fixes: Sequence[FixLine], start_s: float, end_s: float) -> CurveDay:
    inactive = [fix for fix in fixes if fix.pending_since_s <= end_s and (fix.active_s is None or fix.active_s > end_s)]
    oldest = min((fix.pending_since_s for fix in inactive), default=None)
    return CurveDay(
        day=(datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=start_s)).strftime("%Y-%m-%d"),
        hosts=1,
        exposed=int(bool(inactive)),
        oldest_age_s=end_s - oldest if oldest is not None else None,
        fixes=len(inactive),
    )
