"""`maestro.request/1`: a request of a person to one host, and the form of it that is signed and compared. Pure."""

import json
from collections.abc import Mapping

REQUEST_SCHEMA = "maestro.request/1"
SIGNATURE_NAMESPACE = "maestro-request"
"""Of `ssh-keygen -Y sign -n`: a signature for another purpose is none for a request."""


def canonical_form(document: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: all members but `signature`, as JSON in UTF-8, keys sorted, no white space.

    Raises:
        ValueError: a text has a lone surrogate, or a number is not finite.
    """
    signed = {name: value for name, value in document.items() if name != "signature"}
    text = json.dumps(signed, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")
