"""When upstream ends its support of each line of Docker Engine: a dated copy, no network. Pure.

Sources: endoflife.date (products/docker-engine.md) and moby's project/BRANCHES-AND-TAGS.md. A distribution's docker.io
is kept by the distribution, whatever upstream does: these dates are about Docker Inc.'s packages.
"""

from datetime import date

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern

TABLE_FROM = date(2026, 11, 28)
"""When the table was made: lines that are newer than its newest are supported as far as is known."""
_ENDS: dict[tuple[int, int] | tuple[int], date | None] = {
    (29,): None,
    (28,): date(2026, 5, 13),
    (27,): date(2025, 5, 3),
    (26,): date(2025, 2, 17),
    (25,): date(2026, 12, 4),
    (24,): date(2024, 6, 8),
    (23,): date(2025, 5, 19),
    (20, 10): date(2023, 12, 10),
}
"""End by line; None: still supported without a date. Up to 20.10 a line has two numbers."""
_OLDEST = (20, 10)
_LINE = lazy_pattern(r"(?:\d+:)?v?(\d+)\.(\d+)")


@frozen
class SupportEnd:
    """A line of Docker that gets no fixes any more."""

    line: str
    """"20.10", "24"."""
    ended: date | None
    """None: before the table begins."""


def support_end(version: str, today: date) -> SupportEnd | None:
    """Return the line of a version and when it ended; None while it is supported, or if it is unknown.

    `version` may have any spelling: "5:27.3.1-1~debian.12~bookworm", "20.10.24+dfsg1".
    """
    found = _LINE.match(version.strip())
    if not found:
        return None
    major, minor = int(found[1]), int(found[2])
    if (major, minor) < _OLDEST:
        return SupportEnd(line=f"{found[1]}.{found[2]}", ended=None)
    line = (major, minor) if (major, minor) in _ENDS else (major,)
    ends = _ENDS.get(line)
    return SupportEnd(line=".".join(map(str, line)), ended=ends) if ends and ends < today else None
