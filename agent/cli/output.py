"""Output of all commands: documents on standard output, progress and messages on standard error."""

import json
import os
import sys
from collections.abc import Iterable, Mapping

from agent.core.redact import redact_document
from agent.report.layout import NARROWEST, Tone, harmless, lay_out, painted

_TONES = {"FAILED": Tone.FAILED, "  ! ": Tone.HELD, "  - ": Tone.HELD}
_HEADLINES = {": HEALTHY": Tone.GOOD, ": ATTENTION": Tone.ATTENTION, ": UNKNOWN": Tone.FAILED, "STALE": Tone.FAILED}


def print_error(message: str) -> None:
    """Print a message on standard error, line by line."""
    for line in message.split("\n"):
        print(f"maestro-agent: {harmless(line)}", file=sys.stderr)


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document."""
    print(json.dumps(redact_document(document), indent=2))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for a person, wrapped to the terminal and coloured if it supports that."""
    colour = _has_colour()
    for text, tone in lay_out(lines, _terminal_width()):
        print(_coloured(text, tone) if colour else text)


class ProgressLine:
    """A progress line that is rewritten in place; silent if standard error is not a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = False

    def show(self, message: str) -> None:
        """Show the current step; an empty message is only a keep-alive."""
        if self._live and message:
            width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
            sys.stderr.write(f"\r\033[K{harmless(message)[:width]}")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None if it is none."""
    if not sys.stdout.isatty():
        return None
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        columns = 0
    return max(columns or 80, NARROWEST)


def _has_colour() -> bool:
    """Whether to write colours: to a capable terminal, unless NO_COLOR is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def _coloured(text: str, tone: Tone | None) -> str:
    if tone is not None:
        return painted(text, tone)
    for start, found in _TONES.items():
        if text.startswith(start):
            return painted(text, found)
    for word, found in _HEADLINES.items():
        text = text.replace(word, painted(word, found))
    return text
