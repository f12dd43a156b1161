r"""Origin patterns: which repositories' packages count as security updates.

The syntax is that of unattended-upgrades' `Origins-Pattern`, so that an existing list works unchanged:
`key=value` tokens joined by commas, all of which must match; values are case-sensitive shell patterns; a
literal comma is written `\,`. Pure.
"""

import re
from difflib import get_close_matches
from fnmatch import fnmatchcase

from agent.core.frozen import frozen
from agent.core.pattern import lazy_pattern

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
_VARIABLE = lazy_pattern(r"\$\{([^}]*)\}")


@frozen
class ReleaseFields:
    """Fields of a repository's Release file, and the host that serves it."""

    origin: str = ""
    label: str = ""
    archive: str = ""
    """The Suite field; apt calls it archive."""
    codename: str = ""
    component: str = ""
    site: str = ""


@frozen
class OriginPattern:
    """One parsed pattern; `text` is the configured text with its variables replaced."""

    text: str
    tokens: tuple[tuple[str, str], ...]
    """(field of `ReleaseFields`, shell pattern) pairs."""

    def matches(self, release: ReleaseFields) -> bool:
        """Whether every token matches the release."""
        return all(fnmatchcase(getattr(release, key), value) for key, value in self.tokens)


class UnmatchedOriginError(ValueError):
    """A pattern is well formed and can match no repository."""


def parse_pattern(text: str, variables: dict[str, str]) -> OriginPattern:
    """Parse one pattern; `${distro_id}` and the like are replaced from `variables`.

    Raises:
        ValueError: the pattern is invalid; the message names the fault and what is accepted.
        UnmatchedOriginError: it can match no repository.
    """
    filled = _VARIABLE.sub(lambda found: _fill(found[1], variables), text)
    tokens = tuple(_parse_token(token) for token in re.split(r"(?<!\\),", filled))
    contradiction = _contradiction(tokens)
    if contradiction:
        raise UnmatchedOriginError(f"{contradiction} cannot have two values at once: write two patterns")
    return OriginPattern(text=filled, tokens=tokens)


def _fill(name: str, variables: dict[str, str]) -> str:
    if name not in variables:
        known = ", ".join(f"${{{known}}}" for known in sorted(variables))
        raise ValueError(f"unknown variable ${{{name}}}; known here: {known}")
    return variables[name]


def _parse_token(token: str) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in token.replace("\\,", ",").partition("="))
    if not equals:
        raise ValueError(f"{token.strip()!r} is not of the form key=value")
    if key not in _KEYS:
        near = get_close_matches(key, _KEYS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown key {key!r}{hint} (accepted: origin, label, archive, codename, component, site)")
    problem = _problem(_KEYS[key], value)
    if problem:
        raise UnmatchedOriginError(f"{token.strip()!r} can match no repository: {problem}")
    return _KEYS[key], value


def _problem(key: str, value: str) -> str:
    """Return why a value can match nothing, as it is not the shell pattern that it is read as; empty if it can."""
    if "$" in value or "{" in value or "}" in value:
        return "variables are written ${distro_codename}, and a shell pattern has no braces and no $"
    if re.search(r"[\\^|]", value) or (".*" in value and (key != "site" or value.startswith("."))):
        return 'it is read as a shell pattern and not as a regular expression ("*" is any text, "\\," a comma)'
    if value[:1] in {"'", '"'} and value[-1:] == value[:1]:
        return "without quotes"
    if "[" in re.sub(r"\[!?\]?[^\]]*\]", "", value):
        return '"[" is never closed'
    return ""


def _contradiction(tokens: tuple[tuple[str, str], ...]) -> str:
    """Return a field that must have two different values; empty if there is none."""
    plain: dict[str, str] = {}
    for key, value in tokens:
        if not set(value) & set("*?[") and plain.setdefault(key, value) != value:
            return key
    return ""
