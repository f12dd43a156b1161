"""HTTP responses as untrusted input: bounded reads, Retry-After, reasons of failures."""

import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException

import requests

from agent.core.redact import redact, remember_secrets

_LONGEST_WAIT = timedelta(hours=1)
_CHUNK_BYTES = 16384
_SHORTEST_SECRET = 8


def session() -> requests.Session:
    """Return a session that contacts only the given URL and reads no body by itself.

    It ignores the environment: a .netrc would replace a configured header. It ignores redirects: even if they are not
    followed, requests reads the body of one, whole and decompressed, however large.
    """
    made = requests.Session()
    made.trust_env = False
    made.get_redirect_target = lambda _response: None
    return made


def read_bounded(response: requests.Response, most: int) -> bytes | None:
    """Read a body of at most `most` bytes as sent; None if it is longer or compressed.

    A compressed one was not requested (`Accept-Encoding: identity`) and could grow a million times.
    """
    if response.headers.get("Content-Encoding", "identity").lower() not in {"identity", ""}:
        return None
    body = bytearray()
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Parse Retry-After: seconds or a date (RFC 9110, 10.2.3), at most an hour; None where it is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    when = http_date(text)
    return None if when is None else min(max(when - now, timedelta(0)), _LONGEST_WAIT)


def http_date(text: str) -> datetime | None:
    """Parse an HTTP date (RFC 9110, 5.6.7); None where it is not one."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # TypeError: Python 3.10, text that is not a date at all
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def error_reason(error: BaseException) -> str:
    """Return in a few words why there was no response, from the innermost error; no header and no credentials."""
    chain = list(causes(error))
    refused = next(filter(None, map(_certificate_fault, chain)), "")
    broken = next((one for one in chain if isinstance(one, HTTPException)), chain[-1])
    return redact(refused or next(filter(None, map(_own_fault, reversed(chain))), type(broken).__name__))


def remember_header(value: str) -> None:
    """Have `redact` know a header's value as secret: of one like "Bearer TOKEN" each word of at least 8 characters."""
    remember_secrets(word for word in value.split() if len(word) >= _SHORTEST_SECRET)


def _certificate_fault(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if type(error).__name__ == "CertificateError":  # of urllib3, which moved it from version to version
        return f"its certificate is not accepted: {error}"
    return ""


def _own_fault(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'it ended the connection'}"
    if type(error) is OSError and not error.strerror:  # requests, for a missing file
        return str(error)
    return (error.strerror or "") if isinstance(error, OSError) else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it wraps: requests and urllib3 keep those as argument, as `reason` or as cause."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        one = pending.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
