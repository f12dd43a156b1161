"""HTTP responses as untrusted input: bounded reads, reasons of failures."""

import ssl
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead

import requests

from agent.core.redact import redact
from agent.host.http_values import fault_text

_CHUNK_BYTES = 16384


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


def error_reason(error: BaseException) -> str:
    """Return in a few words why there was no response, from the innermost error; no header and no credentials."""
    chain = list(causes(error))
    refused = next(filter(None, map(_certificate_fault, chain)), "")
    words = refused or next(filter(None, map(fault_text, reversed(chain))), "")
    return redact(words or next(filter(None, map(_broken_answer, chain)), type(chain[-1]).__name__))


def _broken_answer(error: BaseException) -> str:
    if isinstance(error, IncompleteRead):
        return "the connection was closed within the answer"
    return f"the response is malformed: {type(error).__name__}" if isinstance(error, HTTPException) else ""


def _certificate_fault(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if type(error).__name__ == "CertificateError":  # of urllib3, which moved it from version to version
        return f"its certificate is not accepted: {error}"
    return ""


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
