"""Reads a whole response from a connection: a body of known length, in chunks, or up to the connection's end."""

from agent.core.pattern import lazy_pattern
from agent.host.http_response import (
    NO_BODY,
    MalformedResponseError,
    Receive,
    ResponseHead,
    ResponseReader,
    content_length,
    is_compressed,
    read_head,
)
from agent.host.http_transport import BODY_MATTERS, BodyLimit, HttpAnswer

_CHUNK = lazy_pattern(r"0*(?P<size>[0-9A-Fa-f]{1,8})[ \t]*(;.*)?")
_LINE_BYTES = 1 << 12
"""Of the line before a chunk, with its extensions."""


def read_answer(receive: Receive, most: BodyLimit) -> HttpAnswer:
    """Read one response; `receive` returns what came, nothing at the end.

    Raises:
        OSError: what `receive` raises, or the response is cut off (ConnectionResetError).
        MalformedResponseError: the response cannot be read.
    """
    reader = ResponseReader(receive)
    head = read_head(reader)
    try:
        body = _read_body(reader, head, most(head.status))
    except (OSError, MalformedResponseError):
        if head.status in BODY_MATTERS:
            raise
        body = None  # the head says what to do
    return HttpAnswer(status=head.status, reason=head.reason, headers=head.headers, body=body)


def _read_body(reader: ResponseReader, head: ResponseHead, most: int) -> bytes | None:
    if head.status in NO_BODY:
        return b""
    if is_compressed(head):
        return None
    coding = head.headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise MalformedResponseError("its body is coded in an unknown way")
        return _read_chunks(reader, most)
    length = content_length(head)
    if length is None:
        return reader.rest(most)
    return reader.take(length) if length <= most else None


def _read_chunks(reader: ResponseReader, most: int) -> bytes | None:
    """Read chunks up to the last one (RFC 9112, 7.1); header lines behind it are not read: the connection ends."""
    body = bytearray()
    while size := _chunk_size(reader.line(_LINE_BYTES)):
        if len(body) + size > most:
            return None
        body += reader.take(size)
        if reader.take(2) != b"\r\n":
            raise MalformedResponseError("a chunk of its body is longer than announced")
    return bytes(body)


def _chunk_size(line: bytes) -> int:
    found = _CHUNK.fullmatch(line.decode("latin-1"))
    if found is None:
        raise MalformedResponseError("a chunk of its body has no size")
    return int(found["size"], 16)
