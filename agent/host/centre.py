"""The centre, over HTTPS: one request at a time, and of the answer no more than is good for this machine.

The only network peer of the agent's half without power. Nothing of an answer is believed before it was looked at, no
redirect is followed, no certificate is let pass, and the token is in no message.
"""

import gzip
import json
import os
import re
import signal
import ssl
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from types import FrameType

import requests
import urllib3

from agent.core.policy import EndpointPolicy
from agent.core.retry import Verdict, verdict
from agent.errors import ConfigError
from agent.version import VERSION

_CREDENTIAL = "endpoint-token"
_RECEIPT_BYTES = 1 << 20
_ERROR_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 14
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request."""

    verdict: Verdict
    why: str = ""
    """In words; empty where there is a receipt to be read."""
    text: str = ""
    """The body, as far as it was read."""
    final: bool = False
    """Whether an error is the centre's own word (RFC 9457), and not that of something between."""
    retry_after: timedelta | None = None
    skew: timedelta | None = None
    """How far this machine's clock is ahead of the other side's."""


class Centre:
    """One session with the centre."""

    def __init__(self, policy: EndpointPolicy) -> None:
        """Make ready; nothing is sent yet.

        Raises:
            ConfigError: token, CA or certificate cannot be read.
        """
        self._url = f"{policy.url}/v1/messages"
        self._timeout = policy.timeout
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies from the environment nor passwords from ~/.netrc
        self._session.headers = {
            "User-Agent": f"maestro-agent/{VERSION}",
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",  # what was read is what was sent: no bomb to inflate
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        token = _token(policy.token_file)
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        for path in (policy.ca_file, policy.client_cert, policy.client_key):
            _must_be_readable(path)
        self._session.verify = policy.ca_file or True
        if policy.client_cert:
            self._session.cert = (policy.client_cert, policy.client_key or policy.client_cert)
        self._session.proxies = {"http": policy.proxy, "https": policy.proxy} if policy.proxy else {}

    def post(self, batch: Mapping[str, object]) -> Answer:
        """Send one batch; never raises for what the other side or the network does."""
        body = gzip.compress(json.dumps(batch, ensure_ascii=False, allow_nan=False).encode(), 6, mtime=0)
        try:
            with _within(self._timeout):
                return self._exchange(body)
        except _TooSlowError:
            words = f"no whole answer within {self._timeout.total_seconds():.0f} s"
            return Answer(verdict=Verdict.AGAIN, why=words)
        except requests.exceptions.SSLError as error:
            return Answer(verdict=Verdict.MISCONFIGURED, why=_tls_words(error))
        except requests.exceptions.ProxyError as error:
            return Answer(verdict=Verdict.AGAIN, why=f"the proxy cannot be used: {_root_words(error)}")
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return Answer(verdict=Verdict.AGAIN, why=_root_words(error))

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _exchange(self, body: bytes) -> Answer:
        response = self._session.post(
            self._url,
            data=body,
            headers={"Idempotency-Key": uuid.uuid4().hex},
            timeout=self._timeout.total_seconds(),
            allow_redirects=False,
            stream=True,
        )
        try:
            meaning = verdict(response.status_code)
            limit = _RECEIPT_BYTES if meaning is Verdict.ANSWERED else _ERROR_BYTES
            text, whole = _read(response, limit)
        finally:
            response.close() if response.status_code >= requests.codes.multiple_choices else None
        skew = _skew(response.headers.get("Date", ""))
        if meaning is Verdict.ANSWERED:
            if whole:
                return Answer(verdict=meaning, text=text, skew=skew)
            return Answer(verdict=Verdict.BROKEN, why=f"a receipt of more than {limit} bytes", skew=skew)
        return Answer(
            verdict=meaning,
            why=_words(response.status_code, str(response.reason or ""), text),
            text=text,
            final=response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/problem+json",
            retry_after=_retry_after(response.headers.get("Retry-After", ""), response.headers.get("Date", "")),
            skew=skew,
        )


class _TooSlowError(Exception):
    """The time for one request is over."""


@contextmanager
def _within(limit: timedelta) -> Iterator[None]:
    """End the block after this time, whatever it waits for: a byte now and then would keep it for ever."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _token(path: str) -> str:
    """Read the token; empty where there is none."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    inherited = os.path.join(credentials, _CREDENTIAL)
    if not path and (not credentials or not os.path.exists(inherited)):
        return ""
    place = path or inherited
    try:
        with open(place, encoding="ascii") as file:
            token = file.read(_CHUNK_BYTES).strip()
    except OSError as error:
        raise ConfigError(f"{place}: the token cannot be read: {error.strerror}") from error
    except ValueError:
        token = ""
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{place}: holds no token: one line of ASCII without spaces")
    return token


def _must_be_readable(path: str) -> None:
    try:
        if path:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _read(response: requests.Response, limit: int) -> tuple[str, bool]:
    """Read a body up to a limit; return it, and whether that was all."""
    found = b""
    while len(found) <= limit:
        chunk = response.raw.read(_CHUNK_BYTES, decode_content=False)
        if not chunk:
            break
        found += chunk
    return found[:limit].decode("utf-8", errors="replace"), len(found) <= limit


def _words(status: int, reason: str, text: str) -> str:
    """Say what an answer that is no receipt said."""
    detail = ""
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        problem = None
    if isinstance(problem, dict):
        detail = str(problem.get("detail") or problem.get("title") or "")
    return _one_line(f"HTTP {status} {reason}{': ' if detail else ''}{detail}")


def _tls_words(error: BaseException) -> str:
    """Say what is wrong with a certificate, or with the handshake."""
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _one_line(f"the centre's certificate is not believed: {one.verify_message}")
    return f"TLS failed: {_root_words(error)}"


def _root_words(error: BaseException) -> str:
    """Say what lies at the bottom of an error, for the rest names objects of libraries."""
    *_, root = _causes(error)
    words = root.strerror if isinstance(root, OSError) and root.strerror else str(root)
    return _one_line(words or type(root).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk down to the first cause: these libraries put it among the arguments."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        one = next((found for found in inner if isinstance(found, BaseException) and id(found) not in seen), None)


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_WORDS]


def _date(text: str) -> datetime | None:
    """Read a date of HTTP."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found


def _skew(date: str) -> timedelta | None:
    there = _date(date)
    return None if there is None else datetime.now(timezone.utc) - there


def _retry_after(text: str, date: str) -> timedelta | None:
    """Read how long to wait: seconds, or a moment by the other side's clock."""
    if _SECONDS.fullmatch(text.strip()):
        return timedelta(seconds=int(text))
    until = _date(text)
    return None if until is None else until - (_date(date) or datetime.now(timezone.utc))
