"""Converts libapt's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import apt_pkg

from agent.core.redact import redact
from agent.errors import HostError

LIBAPT_ERRORS = (SystemError, UnicodeDecodeError)
"""Exceptions of python-apt: apt_pkg.Error is a SystemError; the other one replaces it if the message is not UTF-8."""


@contextmanager
def libapt_errors(doing: str) -> Iterator[None]:
    """Convert libapt's exceptions into `HostError`, prefixed with `doing`."""
    try:
        yield
    except (*LIBAPT_ERRORS, OSError) as error:
        raise HostError(f"{doing}: {plain_error(message_of(error))}") from error


def message_of(error: Exception) -> str:
    """Return libapt's message, also one that quotes a field that is not UTF-8."""
    return error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)


def error_text(item: apt_pkg.AcquireItem) -> str:
    """Return the error of a download; its text may quote a field that is not UTF-8."""
    try:
        return item.error_text
    except UnicodeDecodeError:
        return "the error's text is not UTF-8"


def plain_error(message: str) -> str:
    """Strip libapt's `E:` and `W:` prefixes and credentials, split its comma-joined errors and drop duplicates."""
    parts = [part.strip() for part in message.replace(", W:", "\nW:").replace(", E:", "\nE:").split("\n")]
    messages = [redact(part.removeprefix("E:").removeprefix("W:").strip()) for part in parts if part]
    return "; ".join(dict.fromkeys(messages))
