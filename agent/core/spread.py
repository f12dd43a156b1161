"""The first of some names as text. Pure and light."""

from collections.abc import Sequence


def spread(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many there are beyond: "a, b and 3 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
