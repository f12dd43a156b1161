"""Regular expressions that are compiled when they are first used. Pure and light: `status` imports it.

A process imports a hundred and needs a few; compiling one takes as long as importing a small module.
"""

import re

PATTERN_ERRORS = (re.error, OverflowError, RecursionError)
"""What compiling an expression of somebody else's raises: it is none, or repeats too often, or is nested too deeply."""


class _Pattern:
    """Has the methods of its compiled expression from the first use of each."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> object:
        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)  # from now on it is found without asking here
        return found


def lazy_pattern(text: str, flags: int = 0) -> "re.Pattern[str]":
    """Return what `re.compile` returns, not yet compiled: an expression that is wrong shows when it is used."""
    return _Pattern(text, flags)  # type: ignore[return-value] # it has the same methods
