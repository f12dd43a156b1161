"""How far this machine's clock is ahead of the endpoint's: the `skew_s` of the exporter's status entry. Light."""

from collections.abc import Mapping
from datetime import timedelta


def skew_fields(skew: timedelta | None, before: Mapping[str, object]) -> dict[str, object]:
    """Return the field, in whole seconds: this answer's, or that of the entry before; None if unknown."""
    seconds = before.get("skew_s") if skew is None else skew.total_seconds()
    return {"skew_s": round(seconds) if isinstance(seconds, int | float) else None}
