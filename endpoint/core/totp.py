"""Time-based one-time passwords (RFC 6238): 6 digits, 30 seconds, SHA-1, as every authenticator takes them. Pure."""

import hmac

STEP_S = 30
_DIGITS = 6
_DRIFT = 1
"""Steps that a clock may be behind or ahead (RFC 6238, 5.2)."""


def totp_code(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, 5.3)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), "sha1").digest()
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


def matching_step(secret: bytes, code: str, now_s: float, used: int | None) -> int | None:
    """Return the time step of a code; None: it is none of now, or one not later than the last that was used.

    Each code works once: who sees one typed cannot use it, too (RFC 6238, 5.2).
    """
    digits = "".join(code.split()).encode("utf-8", "replace")
    current = int(now_s) // STEP_S
    found = None
    for step in range(current - _DRIFT, current + _DRIFT + 1):  # all of them, whatever matches
        if hmac.compare_digest(totp_code(secret, step).encode(), digits) and (used is None or step > used):
            found = step
    return found
