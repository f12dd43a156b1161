"""UUIDs as text (RFC 9562). The module `uuid` imports `platform`: together a fifth of a start of Python."""

from agent.core.pattern import lazy_pattern

_UUID = lazy_pattern(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID as it is written here: in lower case, with hyphens, without braces."""
    return _UUID.fullmatch(text) is not None


def version_4(random: bytes) -> str:
    """Return the UUID of version 4 of these 16 bytes; six bits of them give way to version and variant."""
    value = int.from_bytes(random, "big") & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
