"""Sends one notification to a webhook."""

import http.client
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError

from endpoint.config.notify import NotifyConfig
from endpoint.core.notify.retry import refuses_one
from endpoint.core.notify.webhook import WebhookTarget, outgoing
from endpoint.core.text import clean
from endpoint.notify.delivery import DeliveryFailure
from endpoint.version import VERSION

_TIMEOUT_S = 10.0
_MAX_ANSWER = 512


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Another place than the configured one gets neither the notification nor the token."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """Follow none: the response becomes an error."""


def post(config: NotifyConfig, document: Mapping[str, Any]) -> DeliveryFailure | None:
    """Send it; None: the receiver has it, which is what any status from 200 to 299 says."""
    try:
        secret, token = _read(config.secret_file), _read(config.token_file)
    except (OSError, UnicodeDecodeError) as error:
        return DeliveryFailure(reason=f"notify.secret_file or token_file cannot be read: {error}")
    if not (token.isascii() and token.isprintable()):
        return DeliveryFailure(reason="notify.token_file: must be one line of printable ASCII")  # it is not quoted
    target = WebhookTarget(url=config.webhook_url, template=config.template, secret=secret.encode(), token=token)
    made = outgoing(document, target, int(time.time()))
    headers = {**made.headers, "User-Agent": f"maestro-endpoint/{VERSION}"}
    request = urllib.request.Request(made.url, made.body, headers, method=made.method)  # noqa: S310 - checked: http(s)
    try:
        answer = urllib.request.build_opener(_NoRedirects).open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        return _refused(error)
    except URLError as error:
        return DeliveryFailure(reason=_line(str(error.reason)))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return DeliveryFailure(reason=_line(f"{type(error).__name__}: {error}"))
    # Read so that the connection ends in order; the status was the answer, and no body, late or damaged, changes it.
    with suppress(OSError, http.client.HTTPException, ValueError), answer:
        answer.read1(_MAX_ANSWER)
    return None


def _refused(error: HTTPError) -> DeliveryFailure:
    with error:
        try:
            text = error.read1(_MAX_ANSWER).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            text = ""
    seconds = error.headers.get("Retry-After", "")
    wait = float(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) < 7 else 0.0  # noqa: PLR2004
    known = error.code in {status.value for status in HTTPStatus}
    phrase = f" {HTTPStatus(error.code).phrase}" if known else ""
    reason = _line(f"the receiver answered {error.code}{phrase}: {text}")
    return DeliveryFailure(reason=reason, retry_after_s=wait, of_this_one=refuses_one(error.code))


def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8").strip() if file else ""


def _line(text: str) -> str:
    return clean(" ".join(text.split()), 300)
