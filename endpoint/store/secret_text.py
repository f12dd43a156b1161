"""Secrets that the endpoint issues: `PREFIX_ID_SECRET`, of which only the id and a hash of the rest are stored."""

import hashlib
import hmac
import secrets

_MAX_LENGTH = 128


def new_secret(prefix: str) -> tuple[str, str, str]:
    """Return the id, the digest to store, and the text, which is not stored."""
    identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return identity, secret_digest(secret), f"{prefix}_{identity}_{secret}"


def split_secret(text: str, prefix: str) -> tuple[str, str] | None:
    """Return the id and the secret of a text; None: it has another form, or another prefix."""
    found, _, rest = text.partition("_")
    identity, _, secret = rest.partition("_")
    if found != prefix or not (identity.isascii() and identity.isalnum()) or len(text) > _MAX_LENGTH:
        return None
    return identity, secret


def secret_digest(secret: str) -> str:
    """Return what is stored of a secret; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def is_secret(secret: str, stored: str | None) -> bool:
    """Compare a secret with a stored digest in constant time.

    None, for an unknown id, is compared, too, so that the response takes the same time.
    """
    same = hmac.compare_digest(secret_digest(secret), secret_digest("") if stored is None else stored)
    return same and stored is not None
