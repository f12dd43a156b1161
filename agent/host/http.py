"""What another side answers over HTTP, read with care: it may be hostile, broken, or not what it is taken for."""

import ssl
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPException

import requests

_LONGEST_WAIT = timedelta(hours=1)
_CHUNK_BYTES = 16384
_WORDS = 300
_SHORTEST_SECRET = 8


def session() -> requests.Session:
    """Return a session that goes nowhere but where it is told to, and reads nothing by itself.

    Without the environment: a .netrc would take the place of a configured header. And redirects are not even looked at:
    where they are not followed, requests reads the body of one all the same, whole and unpacked, however large.
    """
    made = requests.Session()
    made.trust_env = False
    made.get_redirect_target = lambda _response: None
    return made


def read_bounded(response: requests.Response, most: int) -> bytes | None:
    """Read a body as it came over the wire; None where it is longer than that, or packed.

    A packed one was not asked for (`Accept-Encoding: identity`), and could be a million times as large unpacked.
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
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3), at most an hour; None where it says nothing of use."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    when = http_date(text)
    return None if when is None else min(max(when - now, timedelta(0)), _LONGEST_WAIT)


def http_date(text: str) -> datetime | None:
    """Read a date of HTTP (RFC 9110, 5.6.7); None where it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # TypeError on Python 3.10 for what is no date at all
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def error_reason(error: BaseException) -> str:
    """Say in a few words why there was no answer, from the innermost error; never with a header in it."""
    chain = list(causes(error))
    refused = next(filter(None, map(_certificate_fault, chain)), "")
    broken = next((one for one in chain if isinstance(one, HTTPException)), chain[-1])
    return refused or next(filter(None, map(_own_fault, reversed(chain))), type(broken).__name__)


def one_line(text: str) -> str:
    """Return words of another side as one line of a bearable length, without signs that a terminal obeys."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_WORDS]


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return words of another side without what it may have repeated of a header: they go to the journal and `status`.

    Of a value like "Bearer TOKEN" each word counts; a word that is shorter than any token stays.
    """
    words = {word for secret in secrets for word in secret.split() if len(word) >= _SHORTEST_SECRET}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "...")
    return text


def _certificate_fault(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if type(error).__name__ == "CertificateError":  # urllib3's own, which has moved from version to version
        return f"its certificate is not accepted: {error}"
    return ""


def _own_fault(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'it ended the connection'}"
    if type(error) is OSError and not error.strerror:  # requests on a file that is not there
        return str(error)
    return (error.strerror or "") if isinstance(error, OSError) else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk inward: requests and urllib3 keep what they wrap as an argument, as `reason`, or as the cause."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
