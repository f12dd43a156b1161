r"""Origin patterns: which repositories' packages count as security updates.

The syntax is that of unattended-upgrades' `Origins-Pattern`, so that an existing list works unchanged:
`key=value` tokens joined by commas, all of which must match; values are case-sensitive shell patterns; a
literal comma is written `\,`. Pure.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

_KEYS = {
    "o": "origin",
    "origin": "origin",
    "l": "label",
    "label": "label",
    "a": "archive",
    "suite": "archive",
    "archive": "archive",
    "n": "codename",
    "codename": "codename",
    "c": "component",
    "component": "component",
    "site": "site",
}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFields:
    """Fields of a repository's Release file, and the host that serves it."""

    origin: str = ""
    label: str = ""
    archive: str = ""
    """The Suite field; apt calls it archive."""
    codename: str = ""
    component: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginPattern:
    """One parsed pattern; `text` is the configured text with its variables replaced."""

    text: str
    tokens: tuple[tuple[str, str], ...]
    """(field of `ReleaseFields`, shell pattern) pairs."""

    def matches(self, release: ReleaseFields) -> bool:
        """Whether every token matches the release."""
        return all(fnmatchcase(getattr(release, key), value) for key, value in self.tokens)


def parse_pattern(text: str, variables: dict[str, str]) -> OriginPattern:
    """Parse one pattern; `${distro_id}` and the like are replaced from `variables`.

    Raises:
        ValueError: the pattern is invalid; the message names the fault and what is accepted.
    """
    filled = _VARIABLE.sub(lambda found: _fill(found[1], variables), text)
    tokens = tuple(_parse_token(token) for token in re.split(r"(?<!\\),", filled))
    return OriginPattern(text=filled, tokens=tokens)


def _fill(name: str, variables: dict[str, str]) -> str:
    if name not in variables:
        known = ", ".join(f"${{{known}}}" for known in sorted(variables))
        raise ValueError(f"unknown variable ${{{name}}}; known here: {known}")
    return variables[name]


def _parse_token(token: str) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in token.replace("\\,", ",").partition("="))
    if not equals or not value:
        raise ValueError(f"{token.strip()!r} is not of the form key=value")
    if key not in _KEYS:
        near = get_close_matches(key, _KEYS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown key {key!r}{hint} (accepted: origin, label, archive, codename, component, site)")
    return _KEYS[key], value
