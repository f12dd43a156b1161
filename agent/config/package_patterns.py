"""Patterns of package names: refuses those that can match no name, which would be silence instead of an error.

A name has lower-case letters, digits, "+", "-" and "." and starts with a letter or a digit (Debian Policy, 5.6.1).
Patterns are shell patterns (fnmatch(3)): "*", "?" and "[...]".
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from string import ascii_lowercase, digits

from agent.core.pattern import lazy_pattern

_FIRST = ascii_lowercase + digits
_NAME = f"{_FIRST}+-."
_PART = lazy_pattern(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
"""A bracket expression, or one character."""
_REGULAR_EXPRESSION = (
    (lazy_pattern(r"(?:^|[^0-9*?\]])\.\*"), '".*" matches a dot and more'),
    (lazy_pattern(r"\.\+|\][+]"), '"+" is a character of names'),
    (lazy_pattern(r"[\^$\\|(){}]"), '"^", "$", "\\", "|", "(", ")", "{" and "}" are in no name'),
)
_MEANT = 'accepted: shell patterns of package names, such as "linux-*"'
_OTHERS = (
    (":", "without an architecture: a pattern is for all of them"),
    ("=", "without a version"),
    ("/", "without a release"),
    ("_", "without a version and an architecture"),
    (",", "one name or pattern for each entry of the list"),
    ("!", 'without "!": nothing is negated'),
    ("~", 'without "~"'),
)


class UnmatchedNamesError(ValueError):
    """A pattern can match no package. `patterns` is the whole list, in which it has no effect."""

    def __init__(self, message: str, patterns: tuple[str, ...]) -> None:
        super().__init__(message)
        self.patterns = patterns


def parse_package_patterns(raw: object) -> tuple[str, ...]:
    """Accept a list of shell patterns that package names can match.

    Raises:
        ValueError: it is no such list.
        UnmatchedNamesError: an entry is no such pattern; the message names it and what is probably meant.
    """
    if not isinstance(raw, list) or not all(isinstance(word, str) and word.strip() for word in raw):
        raise ValueError('accepted: a list of non-empty strings, such as ["one", "two"]')
    patterns = tuple(word.strip() for word in raw)
    for pattern in patterns:
        problem = next(_problems(pattern), "")
        if problem:
            raise UnmatchedNamesError(f"{pattern!r} can match no package: {problem}", patterns)
    return patterns


def _problems(pattern: str) -> Iterator[str]:
    outside = "".join(part for part in _PART.findall(pattern) if len(part) == 1)
    if any(char.isspace() for char in pattern):
        yield _OTHERS[4][1]
    for found, why in _REGULAR_EXPRESSION:
        if found.search(_without_brackets(pattern)):
            yield f"it is read as a shell pattern and not as a regular expression ({why}){_hint(pattern)}"
    for char, why in _OTHERS:
        if char in outside:
            yield f"accepted: names {why}{_hint(pattern.partition(char)[0]) if char not in '!,~' else ''}"
    if pattern != pattern.lower() and not set(pattern.lower()) - set(f"{_NAME}*?[]"):
        yield f"names are in lower case{_hint(pattern.lower())}"
    if pattern.endswith(("-", ".")):
        yield f"it is no prefix, and no name ends so{_hint(f'{pattern}*')}"
    yield from _wrong_parts(pattern)


def _wrong_parts(pattern: str) -> Iterator[str]:
    """Yield what keeps a part from matching a character of a name."""
    for place, part in enumerate(_PART.findall(pattern)):
        allowed = _NAME if place else _FIRST
        if part in "*?" or any(fnmatchcase(char, part) for char in allowed if part != "["):
            continue
        if part == "[":
            yield f'"[" is never closed; {_MEANT}'
        elif part in _NAME:
            yield f"names start with a letter or a digit{_hint(f'*{pattern}')}"
        else:
            yield f"{part!r} is in no name; {_MEANT}"


def _without_brackets(pattern: str) -> str:
    """Return the pattern with "[]" for each bracket expression."""
    return "".join(part if len(part) == 1 else "[]" for part in _PART.findall(pattern))


def _hint(pattern: str) -> str:
    """Return a question with the pattern that is probably meant, if one can be made of it."""
    made = re.sub(r"\.[*+]", "*", pattern).strip("^$").replace("\\", "")
    made = re.sub(r"\]\+", "]*", made)
    if not made or set(made.lower()) - set(f"{_NAME}*?[]"):
        return f"; {_MEANT}"
    return f"; did you mean {made.lower()!r}?"
