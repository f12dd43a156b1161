"""Debian's order of version numbers (deb-version(7)) where libapt is not loaded. Pure and light."""

from agent.core.pattern import lazy_pattern

VersionKey = tuple[tuple[int, str], "_Part", "_Part"]
_Part = tuple[tuple[tuple[int, ...], int, str], ...]
_PAIR = lazy_pattern(r"([^0-9]*)([0-9]*)")
_END: tuple[tuple[int, ...], int, str] = ((0,), 0, "")


def version_key(version: str) -> VersionKey:
    """Return a key that sorts versions as dpkg does."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return _number(epoch), _part(upstream), _part(revision)


def _part(text: str) -> _Part:
    """Return alternating non-digits and numbers; what compares as the end of the text is left out at its end."""
    found = [(_letters(letters), *_number(digits)) for letters, digits in _PAIR.findall(text)]
    while found and found[-1] == _END:
        found.pop()
    # Two: the first pair of another text may compare as the end, and a tilde follow it, as of "0" and "0~".
    return (*found, _END, _END)


def _letters(text: str) -> tuple[int, ...]:
    """Return the order of non-digits: a tilde before the end, letters before all other characters."""
    return (
        *(
            -1 if sign == "~" else ord(sign) if sign.isascii() and sign.isalpha() else ord(sign) + 0x110000
            for sign in text
        ),
        0,
    )


def _number(digits: str) -> tuple[int, str]:
    """Return a number of any length by its order, without converting it."""
    plain = digits.lstrip("0")
    return len(plain), plain
