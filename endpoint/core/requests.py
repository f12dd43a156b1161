"""`maestro.request/1`: a request of a person to one host, and the form of it that is signed and compared. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

REQUEST_SCHEMA = "maestro.request/1"
SIGNATURE_NAMESPACE = "maestro-request"
"""Of `ssh-keygen -Y sign -n`: a signature for another purpose is none for a request."""
SIGNATURE = re.compile(
    r"(?=.{1,16384}\Z)-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n?", re.DOTALL
)
"""As in the schema."""


def canonical_form(document: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: all members but `signature`, as JSON in UTF-8, keys sorted, no white space.

    Raises:
        ValueError: a text has a lone surrogate, or a number is not finite.
    """
    signed = {name: value for name, value in document.items() if name != "signature"}
    text = json.dumps(signed, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def request_document(form: str, signature: str | None) -> dict[str, object]:
    """Return `maestro.request/1` from its canonical form and the signature over it."""
    document: dict[str, object] = json.loads(form)
    return {**document, "signature": signature}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a receipt carries for one host."""

    requests: tuple[Mapping[str, object], ...] = ()
    """Each as `maestro.request/1`."""
    cancelled: tuple[str, ...] = ()
    """Ids of requests that are no longer wanted."""

    @property
    def is_empty(self) -> bool:
        """Return whether the receipt has neither."""
        return not self.requests and not self.cancelled


NO_DELIVERY = Delivery()
