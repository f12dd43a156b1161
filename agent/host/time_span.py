"""Time spans as systemctl(1) writes them (systemd.time(7))."""

from agent.core.pattern import lazy_pattern

_SECONDS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "month": 2629800.0,
    "y": 31557600.0,
}  # fmt: skip
_WORD = lazy_pattern(r"(\d+(?:\.\d+)?)([a-z]+)")


def time_span(text: str) -> float | None:
    """Return the seconds of a time span such as "1min 30s"; None: no limit, or not such a text."""
    total = 0.0
    for word in text.split():
        match = _WORD.fullmatch(word)
        if match is None or match[2] not in _SECONDS:
            return 0.0 if text == "0" else None
        total += float(match[1]) * _SECONDS[match[2]]
    return total
