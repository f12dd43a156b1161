"""Output of all commands: documents on standard output, progress and messages on standard error."""

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, suppress

from agent.core.redact import redact, redact_document
from agent.core.schemas import ERROR_SCHEMA, Document
from agent.errors import ExitCode
from agent.report.layout import NARROWEST, Line, Tone, display_width, encodable, harmless, lay_out, painted
from agent.state.timestamps import format_utc, utc_now

_TONES = {"FAILED": Tone.FAILED, "  ! ": Tone.HELD, "  - ": Tone.HELD}
_HEADLINES = {": HEALTHY": Tone.GOOD, ": ATTENTION": Tone.ATTENTION, ": UNKNOWN": Tone.FAILED, "STALE": Tone.FAILED}


def prepare_output() -> None:
    """Make both streams usable: closed ones discard, and no character fails in a one-byte locale."""
    for descriptor in range(3):  # otherwise the next file that is opened becomes standard error, also of dpkg
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest one, which is this
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed streams are None
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish_output() -> None:
    """Write what is buffered."""
    write_out("")
    write_error("")


def write_out(text: str) -> None:
    """Write to standard output now; what cannot be written is discarded from then on, with a message."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone
        sys.stdout = _discarding("stdout")
    except (OSError, ValueError) as error:  # no space; closed
        sys.stdout = _discarding("stdout")
        print_error(f"standard output could not be written: {error}")


def write_error(text: str) -> None:
    """Write to standard error now; what cannot be written is discarded from then on."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = _discarding("stderr")


def print_error(message: str) -> None:
    """Print a message on standard error, line by line."""
    _print_below([Line(f"maestro-agent: {line}", hang=4) for line in message.split("\n")])


def print_usage(usage: str) -> None:
    """Print what a command line accepts on standard error."""
    _print_below(usage.rstrip("\n").split("\n"))


def failure_document(message: str, exit_code: int) -> Document:
    """Return `maestro.error/1`."""
    names = {int(code): code.name.lower().replace("_", "-") for code in ExitCode}
    return {
        "schema": ERROR_SCHEMA,
        "generated_at": format_utc(utc_now()),
        "error": message,
        "exit_code": int(exit_code),
        "code": names.get(exit_code),
    }


def print_failure(message: str, exit_code: int) -> None:
    """Print `maestro.error/1`, in place of the document that a command would have printed."""
    print_json(failure_document(message, exit_code))


def print_traceback(error: BaseException) -> None:
    """Print a traceback on standard error, as Python does; without importing traceback."""
    text = io.StringIO()
    with redirect_stderr(text):
        sys.excepthook(type(error), error, error.__traceback__)
    write_error(redact(text.getvalue()))


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document."""
    write_out(f"{json.dumps(redact_document(document), indent=2)}\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for a person, wrapped to the terminal and coloured if it supports that."""
    colour = _has_colour()
    shown = lay_out(lines, _columns("stdout"), _encoding("stdout"))
    write_out("".join(f"{_coloured(text, tone) if colour else text}\n" for text, tone in shown))


class ProgressLine:
    """A progress line that is rewritten in place; silent if standard error is not a terminal."""

    def __init__(self) -> None:
        self._live = _is_terminal("stderr")
        self._shown = False

    def show(self, message: str) -> None:
        """Show the current step; an empty message is only a keep-alive."""
        if self._live and message:
            text, width = encodable(harmless(message), _encoding("stderr")), (_columns("stderr") or 80) - 1
            while display_width(text) > width:
                text = text[: min(width, len(text) - 1)]
            write_error(f"\r\033[K{text}")
            self._shown = True

    def clear(self) -> None:
        """Erase the line."""
        if self._shown:
            write_error("\r\033[K")


def _discarding(name: str) -> io.TextIOWrapper:
    """Return a stream that discards, in place of `sys.NAME`; what that has buffered is discarded, too."""
    null = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    with suppress(OSError, ValueError):
        os.dup2(null.fileno(), getattr(sys, name).fileno())
    return null


def _print_below(lines: Iterable[str]) -> None:
    """Print lines on standard error, wrapped to the terminal."""
    write_error("".join(f"{text}\n" for text, _ in lay_out(lines, _columns("stderr"), _encoding("stderr"))))


def _encoding(name: str) -> str:
    return getattr(sys, name).encoding or "ascii"


def _is_terminal(name: str) -> bool:
    try:
        return bool(getattr(sys, name).isatty())
    except ValueError:  # closed
        return False


def _columns(name: str) -> int | None:
    """Return the columns of the terminal that a stream is; None if it is none."""
    if not _is_terminal(name):
        return None
    try:
        columns = os.get_terminal_size(getattr(sys, name).fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(columns or 80, NARROWEST)


def _has_colour() -> bool:
    """Whether to write colours: to a capable terminal, unless NO_COLOR is set (no-color.org)."""
    return _is_terminal("stdout") and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def _coloured(text: str, tone: Tone | None) -> str:
    if tone is not None:
        return painted(text, tone)
    for start, found in _TONES.items():
        if text.startswith(start):
            return painted(text, found)
    for word, found in _HEADLINES.items():
        text = text.replace(word, painted(word, found))
    return text
