"""The numbers of an upstream version of Docker or Weave, in any spelling. Pure."""

from agent.core.pattern import lazy_pattern

_NUMBERS = lazy_pattern(r"(?:\d+:)?v?(\d+(?:\.\d+)*)")


def version_numbers(version: str) -> tuple[int, ...]:
    """Return (27, 3, 1) of "5:27.3.1-1~ubuntu"; empty if the version begins with no number ("dev", "unreleased")."""
    found = _NUMBERS.match(version.strip())
    return tuple(int(one) for one in found[1].split(".")) if found else ()
