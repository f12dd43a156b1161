"""What is loaded of advisories, as text for people. Pure."""

from collections.abc import Sequence
from datetime import datetime, timezone

from endpoint.core.advisories.model import AdvisorySource
from endpoint.core.text import clean
from endpoint.core.timestamps import format_age, format_utc

NAMES = {"kev": "CISA KEV", "osv": "OSV"}
_MAX_PLACE = 4096


def loaded_line(place: str, loaded: int, refused: int) -> str:
    """Return what was loaded from a place."""
    return f"{clean(place, _MAX_PLACE)}: {loaded} loaded" + (f", {refused} could not be read" if refused else "")


def source_lines(sources: Sequence[AdvisorySource], now: datetime) -> list[str]:
    """Return a line for each source."""
    return [_line(source, now) for source in sources] or [
        "no advisories are loaded: set [advisories] in the configuration, then `maestro-endpoint advisories load`"
    ]


def _line(source: AdvisorySource, now: datetime) -> str:
    at = datetime.fromtimestamp(source.loaded_s, timezone.utc)
    released = f", released {clean(source.released)}" if source.released else ""
    loaded = loaded_line(source.place, source.entries, source.refused)
    return f"{NAMES.get(source.name, source.name)}: {loaded} at {format_utc(at)} ({format_age(at, now)} ago){released}"
