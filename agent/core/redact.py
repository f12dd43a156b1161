"""Removes credentials from text that comes from outside. Pure and light: `status` imports it.

Two means, because neither suffices alone: patterns find credentials by their syntax, as in a URL; values that are known
to be secret, such as the token of the endpoint, are found wherever they appear.
"""

import json
import re
from collections.abc import Iterable

REDACTED = "..."
_SLASHES = r"(?:/|\\/){2}"
_START = r"(?<![^\s'\"(<\[=,])"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_LOCAL = r"(?:[a-z]+\+)?(?:file|copy|cdrom):"
"""Schemes of paths, which have no user."""
_VERSION = r"\d+:\d"
"""The start of a version, as in `passwd=1:4.13`: passwd is a package, too."""
_WORDS = ("password", "passwd", "passphrase", "token", "secret")
_RULES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # User and password of a URL's authority are left out, as apt does, so that the name of a source stays the same.
    (("@",), re.compile(rf"({_SLASHES})(?!\.\.\.@)[^\s/?#\\]*@"), r"\1"),
    # What is left with an "@" has an unescaped "/", "?" or "#" before it, in a password or a path: assume a password.
    # libapt takes the host of such a URL to be empty and writes it with one slash.
    (("@",), re.compile(rf"{_START}(?!{_LOCAL})((?:{_SCHEME})?{_SLASHES})\S{{1,2000}}@"), rf"\1{REDACTED}@"),
    (("@",), re.compile(rf"{_START}(?!{_LOCAL})({_SCHEME}/)(?!/|\.\.\.)\S{{1,2000}}@"), rf"\1{REDACTED}@"),
    (("%3a",), re.compile(r"(%3a%2f%2f)(?:(?!%3a%2f%2f)\S)*%40", re.IGNORECASE), r"\1"),
    # The same without a scheme, as proxies are written.
    (
        ("@",),
        re.compile(rf"{_START}[^\s'\"/:@(<\[=,]*:(?!/|\\/)[^\s'\"@]{{1,1000}}(?:@\S{{0,1000}})?@(?=[\w\[])"),
        f"{REDACTED}@",
    ),
    (("?", "#"), re.compile(rf"({_SLASHES}(?:/(?!/)|[^\s/?#'\"<>])*[?#])[^\s'\"<>]+"), rf"\1{REDACTED}"),
    (("=",), re.compile(r"([?&;][A-Za-z0-9_.~%\[\]-]+=)[^\s&;'\"<>]+"), rf"\1{REDACTED}"),
    # Headers: up to the closing quote, or to the end of the line.
    (
        ("authorization", "cookie", "x-", "key"),
        re.compile(
            r"((?:authorization|cookie2?|\bx-[a-z0-9-]{0,40}(?:auth|key|token|secret)[a-z0-9-]{0,40}"
            r"|(?:api|private)[-_]?key)['\"]?\s*[:=]\s*)"
            r"(?!\.\.\.)(?:b?(?P<quote>['\"])(?:(?!(?P=quote)).)*(?P=quote)|[^\s'\"].*)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    (
        ("basic", "bearer"),
        re.compile(r"\b(B(?:asic|earer)|BASIC|BEARER)\s+(?=\S*[0-9A-Z=])[\w+/.~=-]{6,}"),
        rf"\1 {REDACTED}",
    ),
    (("login",), re.compile(r"\b(login\s+)\S+(\s+password\s+)\S+"), rf"\1{REDACTED}\2{REDACTED}"),  # apt_auth.conf(5)
    (
        _WORDS,
        re.compile(
            rf"((?<![\w/.-])[\w.-]*(?:{'|'.join(_WORDS)})['\"]?\s*[:=]\s*['\"]?)(?!/|\.\.\.|{_VERSION})[^\s'\",;&]+",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    (
        ("private key",),
        re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?!\.\.\.).*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
        rf"\1{REDACTED}",
    ),
)
"""What a text must have for a rule to apply, in lower case; the rule; what replaces a match."""
_SHORTEST = 4
"""Characters of a known secret."""
_SHORTEST_WORD = 12
"""Characters of one that consists of lower-case letters."""
_SHORTEST_ANYWHERE = 8
"""Characters of a known secret that is replaced inside of words, too."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9.+:~_-]*")
"""Codes, ids, package names, versions and times of documents."""

_ESCAPE = re.compile("%[0-9A-F]{2}")
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_known: dict[str, re.Pattern[str]] = {}


def remember_secrets(values: Iterable[str]) -> None:
    """Have `redact` replace these values, and their escaped forms, from now on in this process.

    A value that may be an ordinary word, as short ones of lower-case letters, is ignored: it would damage every text.
    """
    for value in values:
        for form in _forms(value):
            if len(value) >= (_SHORTEST_WORD if value.isalpha() and value.islower() else _SHORTEST):
                _known[form] = _exactly(form)


def redact(text: str) -> str:
    """Return the text without credentials: users and passwords of URLs, queries, header values, known secrets."""
    for value in sorted(_known, key=len, reverse=True):
        if value in text:
            text = _known[value].sub(REDACTED, text)
    lower = text.lower()
    for needles, pattern, replacement in _RULES:
        if any(needle in lower for needle in needles):
            text = pattern.sub(replacement, text)
    return text


def redact_document(value: object) -> object:
    """Return a JSON value whose texts are redacted; codes, package names and versions stay as they are."""
    if isinstance(value, str):
        return value if _IDENTIFIER.fullmatch(value) and value not in _known else redact(value)
    if isinstance(value, dict):
        return {key: redact_document(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact_document(one) for one in value]
    return value


def _forms(value: str) -> set[str]:
    """Return a value as it may be written: as it is, percent-encoded, in Python, JSON and HTML."""
    encoded = {_encoded(value, "~._-"), _encoded(value, "~._-/:@!$&'()*+,;=")}
    lower = {_ESCAPE.sub(lambda found: found[0].lower(), form) for form in encoded}  # apt's are lower-case
    html = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    quoted = html.replace('"', "&quot;")
    escaped = {repr(value)[1:-1], json.dumps(value)[1:-1], html, quoted, quoted.replace("'", "&#x27;")}
    return {value, *encoded, *lower, *escaped, quoted.replace("'", "&#39;")}


def _exactly(form: str) -> re.Pattern[str]:
    text = re.escape(form)
    return re.compile(text if len(form) >= _SHORTEST_ANYWHERE else rf"(?<![A-Za-z0-9]){text}(?![A-Za-z0-9])")


def _encoded(value: str, safe: str) -> str:
    """Do what urllib.parse.quote does, which is too heavy an import for `status`."""
    raw = value.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in _ALPHANUMERIC + safe else f"%{byte:02X}" for byte in raw)
