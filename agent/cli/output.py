"""Output of all commands: documents on standard output, progress and messages on standard error."""

import json
import os
import sys
from collections.abc import Mapping

_CONTROL = dict.fromkeys((*range(32), 127, *range(128, 160), *range(55296, 57344)), "?")


def strip_control_chars(text: str) -> str:
    """Replace terminal control characters: names and messages come from repositories, scripts and files."""
    return text.translate(_CONTROL)


def print_error(message: str) -> None:
    """Print a message on standard error, line by line."""
    for line in message.split("\n"):
        print(f"maestro-agent: {strip_control_chars(line)}", file=sys.stderr)


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document."""
    print(json.dumps(document, indent=2))


def print_lines(lines: list[str]) -> None:
    """Print lines for a person; important words are coloured if the terminal supports it."""
    for line in map(strip_control_chars, lines):
        print(_coloured(line) if _has_colour() else line)


class ProgressLine:
    """A progress line that is rewritten in place; silent if standard error is not a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = False

    def show(self, message: str) -> None:
        """Show the current step; an empty message is only a keep-alive."""
        if self._live and message:
            width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
            sys.stderr.write(f"\r\033[K{strip_control_chars(message)[:width]}")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(line: str) -> str:
    for start, code in (("FAILED", "31;1"), ("  ! ", "33"), ("  - ", "33")):
        if line.startswith(start):
            return f"\033[{code}m{line}\033[0m"
    for word, code in ((": HEALTHY", "32;1"), (": ATTENTION", "33;1"), (": UNKNOWN", "31;1"), ("STALE", "31;1")):
        line = line.replace(word, f"\033[{code}m{word}\033[0m")
    return line
