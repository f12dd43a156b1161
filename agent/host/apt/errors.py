"""libapt's errors as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import HostError


@contextmanager
def libapt_errors(doing: str) -> Iterator[None]:
    """Turn libapt's exceptions into `HostError`, saying what was being done."""
    try:
        yield
    except (SystemError, OSError, UnicodeDecodeError) as error:  # apt_pkg.Error is a SystemError
        raise HostError(f"{doing}: {plain_error(str(error))}") from error


def plain_error(message: str) -> str:
    """Strip libapt's `E:` and `W:` prefixes; errors come joined by commas, each said once."""
    parts = [part.strip() for part in message.replace(", W:", "\nW:").replace(", E:", "\nE:").split("\n")]
    said = [part.removeprefix("E:").removeprefix("W:").strip() for part in parts if part]
    return "; ".join(dict.fromkeys(said))
