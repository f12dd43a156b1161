"""How requests go to one server, whatever library carries them: the answer, and the protocol."""

from collections.abc import Callable, Mapping
from typing import Protocol

from agent.core.frozen import frozen

BODY_MATTERS = frozenset({200, 201, 202})
"""Statuses whose answer is in the body; of any other one a body that is cut off or malformed is as good as none."""
BodyLimit = Callable[[int], int]
"""Returns for a status how many bytes of the body may be read."""


@frozen
class HttpAnswer:
    """A response, read to its end or to the limit."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes | None
    """None if it is compressed, which was not asked for, or longer than the limit, or malformed and of no matter."""


class HttpTransport(Protocol):
    """Sends requests, each within the caller's `time_limit`: follows no redirect, verifies certificate and name."""

    faults: tuple[type[Exception], ...]
    """What `ask` raises if there is no answer."""

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str], most: BodyLimit) -> HttpAnswer:
        """Send one request to a path below the server's URL, and return the answer."""

    def reason(self, error: Exception) -> str:
        """Return in a few words why there was no answer; no header and no credentials."""

    def is_untrusted(self, error: Exception) -> bool:
        """Return whether the server's certificate was not accepted."""

    def close(self) -> None:
        """Close the connection."""
