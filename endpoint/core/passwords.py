"""Passwords: hashed by scrypt (RFC 7914), with the parameters stored beside each hash. Pure."""

import hashlib
import hmac
import re

SHORTEST, LONGEST = 12, 256
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 5
"""OWASP's cheat sheet on password storage, the line with the least memory: 16 MiB while a hash is made."""
_MAX_MEMORY = 64 << 20
_SALT_BYTES, _HASH_BYTES = 16, 32
_STORED = re.compile(r"scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([0-9a-f]{32})\$([0-9a-f]{64})")
NOBODY = f"scrypt${_COST}${_BLOCK}${_PARALLEL}${'0' * 2 * _SALT_BYTES}${'0' * 2 * _HASH_BYTES}"
"""A stored hash that no password has: to take as long for a name that does not exist."""


def fault_of_password(password: str, name: str) -> str | None:
    """Return why a person cannot have this password; None: it is fine."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    if len(set(password)) < SHORTEST // 2 or name in password.lower():
        return "this password is too easy to guess: it repeats few characters, or holds the name"
    return None


def hash_password(password: str, salt: bytes) -> str:
    """Return what is stored of a password; `salt`: 16 random bytes. Takes some 200 ms and 16 MiB."""
    found = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${salt.hex()}${found.hex()}"


def is_password(password: str, stored: str) -> bool:
    """Return whether it is the password of a stored hash; takes as long whether it is or not."""
    parts = _STORED.fullmatch(stored)
    if parts is None:
        return False
    cost, block, parallel = (int(parts[number]) for number in (1, 2, 3))
    found = _scrypt(password, bytes.fromhex(parts[4]), cost, block, parallel)
    return hmac.compare_digest(found.hex(), parts[5]) and stored != NOBODY


def is_outdated(stored: str) -> bool:
    """Return whether a hash was made with other parameters than today's: the next login replaces it."""
    return not stored.startswith(f"scrypt${_COST}${_BLOCK}${_PARALLEL}$")


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    data = password[:LONGEST].encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=cost, r=block, p=parallel, maxmem=_MAX_MEMORY, dklen=_HASH_BYTES)
