"""Reads HTTP/1.1 responses (RFC 9112) from a connection: untrusted input, bounded. Light: used by the daemon.

What is legal is read, also where it is rare: folded header lines, chunks, zeros before a length.
"""

import re
from collections.abc import Callable, Mapping

from agent.core.frozen import field, frozen

_MOST_HEAD_BYTES = 1 << 16
"""Status line and header lines, those of interim responses and of a proxy included."""
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?")
_LENGTH = re.compile(r"0*([0-9]{1,15})")
"""A length of a body (Content-Length) that is read."""
_BARE_LINES = re.compile(rb"\n\r?\n")
_INTERIM = range(100, 200)
_SWITCHING = 101
NO_BODY = frozenset({204, 304})

Receive = Callable[[], bytes]
"""Returns what came; nothing at the end."""


class MalformedResponseError(Exception):
    """What came back is no HTTP response, or one that is too large."""


@frozen
class ResponseHead:
    """The head of a response."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; of a header that is repeated, the first one; of a length, all, as a list."""


class ResponseReader:
    """Reads heads and a body, and no more than each of them needs."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = bytearray()
        self._head_bytes = 0

    def head(self) -> bytes:
        """Read up to an empty line; what follows stays for the next call."""
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if self._head_bytes + len(self._read) > _MOST_HEAD_BYTES:
                raise MalformedResponseError("its head is too long")
            if not self._fill():
                raise self._without_head()
        head = bytes(self._read[:end])
        del self._read[: end + 4]
        self._head_bytes += end + 4
        return head

    def take(self, length: int) -> bytes:
        """Read so many bytes; what follows stays for the next call."""
        while len(self._read) < length:
            if not self._fill():
                raise ConnectionResetError("the connection was closed within the answer")
        taken = bytes(self._read[:length])
        del self._read[:length]
        return taken

    def line(self, most: int) -> bytes:
        """Read up to the end of a line of at most `most` bytes; what follows stays for the next call."""
        while (end := self._read.find(b"\r\n", 0, most + 2)) < 0:
            if len(self._read) > most:
                raise MalformedResponseError("a line of its body is too long")
            if not self._fill():
                raise ConnectionResetError("the connection was closed within the answer")
        return self.take(end + 2)[:end]

    def rest(self, most: int) -> bytes | None:
        """Read what comes until the connection is closed; None if that is more than `most` bytes."""
        while len(self._read) <= most:
            if not self._fill():
                return bytes(self._read)
        return None

    def _without_head(self) -> Exception:
        if _BARE_LINES.search(self._read):
            return MalformedResponseError("the lines of its head do not end with CR and LF")
        part = "within the answer" if self._read else "without an answer"
        return ConnectionResetError(f"the connection was closed {part}")

    def _fill(self) -> bool:
        chunk = self._receive()
        self._read += chunk
        return bool(chunk)


def read_head(reader: ResponseReader) -> ResponseHead:
    """Read the head of a response, behind those of interim ones.

    Raises:
        OSError: what `receive` raises, or the head is cut off (ConnectionResetError).
        MalformedResponseError: it cannot be read.
    """
    while True:
        head = _parse(reader.head())
        if head.status not in _INTERIM or head.status == _SWITCHING:
            return head


def is_compressed(head: ResponseHead) -> bool:
    """Return whether the body is not sent as it is."""
    return head.headers.get("content-encoding", "identity").lower() not in {"identity", ""}


def content_length(head: ResponseHead) -> int | None:
    """Return the body's length; None if the head has none. Several equal ones are one (RFC 9112, 6.3).

    Raises:
        MalformedResponseError: it is no number, or there are different ones.
    """
    text = head.headers.get("content-length")
    if text is None:
        return None
    found = [_LENGTH.fullmatch(one.strip(" \t")) for one in text.split(",")]
    lengths = {int(one[1]) if one else -1 for one in found}
    if len(lengths) > 1 or -1 in lengths:
        raise MalformedResponseError("the length of its body is no number")
    return lengths.pop()


def _parse(head: bytes) -> ResponseHead:
    first, *lines = head.split(b"\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise MalformedResponseError("it does not start like one")
    headers: dict[str, str] = {}
    for name, value in _fields(lines):
        if name == "content-length" and name in headers:
            headers[name] += f",{value}"
        headers.setdefault(name, value)
    return ResponseHead(status=int(found[1]), reason=(found[2] or b"").decode("latin-1"), headers=headers)


def _fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Return name and value of each header; a line that begins with white space continues the one before (5.2)."""
    joined: list[bytes] = []
    for line in lines:
        if joined and line[:1] in (b" ", b"\t"):
            joined[-1] += b" " + line.strip()
        else:
            joined.append(line)
    fields = []
    for line in joined:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise MalformedResponseError("a line of its head is no header")
        fields.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))
    return fields
