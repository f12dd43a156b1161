"""Removes credentials from text that comes from outside. Pure and light: `status` imports it.

Two means, because neither suffices alone: patterns find credentials by their syntax, as in a URL; values that are known
to be secret, such as the token of the endpoint, are found wherever they appear.
"""

import json
import re
from collections.abc import Callable, Iterable

from agent.core.pattern import lazy_pattern

REDACTED = "..."
_LONGEST_LINE = 300
_SLASHES = r"(?:/|\\/){2}"
_START = r"(?<![^\s'\"(<\[=,])"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:"
_LOCAL = r"(?:[a-z]+\+)?(?:file|copy|cdrom|mailto|xmpp|sips?):"
"""Schemes of paths and addresses, which have no password."""
_BUG = r"(?!(?:bug|id)=\d{1,8}(?![\w&;=]))"
"""The query of a bug's page, as in changelogs."""
_ANCHOR = r"(?!(?:L?\d{1,12}|[A-Za-z]{1,20}(?:[-_][\w.]{1,20}){0,5})(?:[\s)\]>'\",;:]|\.?$))"
"""The fragment of a page's section, as in changelogs."""
_WORDS = (
    r"(?:password|passphrase|token|secret|credential|api[-_ ]?key|(?:secret|access|subscription)[-_]?key(?:[-_]id)?)"
)
_SHORT_WORD = r"(?<![\w/.-])(?:\w+_(?:passwd|pwd)['\"]?[ \t]*[:=]|(?:passwd|pwd)(?:['\"][ \t]*[:=]|=))[ \t]*['\"]?"
"""A package is called passwd, too: `passwd: held` and `passwd:amd64` are no credentials."""
_ARCHITECTURE = (
    r"(?:hurd-)?(?:all|alpha|amd64|any|arm64|armel|armhf|hppa|i386|ia64|loong64|m68k|mips64el|mipsel|native|powerpc"
    r"|ppc64|ppc64el|riscv64|s390x|sh4|sparc64|x32)(?![\w-])"
)
_VERSION = (
    r"(?:\d{1,2}:\d{1,8}|\d{1,8}\.\d{1,8}|\d{1,4}-\d{1,4})"
    r"(?:[.+~-]?(?:[a-z](?![a-z])|alpha|beta|bpo|build|cvs|deb|dev|dfsg|ds|esm|exp|fips|git\d{6,8}\.[0-9a-f]{7,12}|git"
    r"|nmu|post|ppa|pre|rc|really|repack|svn|ubuntu)\d{0,8}|[.+~-]\d{1,8})*(?![^\s'\"`,;)\]])"
)
_OF_PACKAGE = rf"{_ARCHITECTURE}|{_VERSION}"
"""What may follow a package's name, as in `passwd:i386` and `base-passwd=3.5.52`.

Of versions only the usual forms, which no generated token has.
"""
_DONE = rf"{re.escape(REDACTED)}(?:[\s'\",;&)]|$)"
_DONE_USER = r"\.\.\.@[^\s@]*(?:\s|$)"
_PROSE = (
    r"(?:already|and|are|as|authentication|by|for|from|if|in|of|on|options?|or|to|when|with|cannot|could|denied|does|empty|expected|expired|failed|failure|has|have|incorrect"
    r"|invalid|is|mismatch|missing|must|no|none|not|refused|rejected|required|revoked|too|unexpected|unknown|was|wrong"
    r")(?:[\s.,:;)]|$)"
)
"""A sentence about a credential, as in `token: expired`."""
_PATH = r"/[\w.-]+/"
_NEEDLES = ("password", "passphrase", "token", "secret", "credential", "key")
"""Each of `_WORDS` has one."""
_BEFORE_IS = tuple(f"{end} is" for end in (*_NEEDLES, "key-id", "key_id"))
"""Each of `_WORDS` ends like this before "is"."""
_BEFORE_SECRET = lazy_pattern("[:?#]")
_Replacement = str | Callable[[re.Match[str]], str]


def _before_last_at(found: re.Match[str]) -> str:
    """Leave out what is before a word's last "@", but for the scheme. A pattern for that would be quadratic."""
    start, (head, at, tail) = found[1], found[2].rpartition("@")
    is_url = start.endswith(("//", r"\/"))
    if not (at and head) or (is_url and _is_path(head, tail)):
        return found[0]
    return f"{start}{REDACTED}@{tail}"


def _is_path(head: str, tail: str) -> bool:
    """Return whether an "@" stands in a path, as in that of a message's id: no host is behind, no ":" before it.

    libapt takes "a" in "user:a/b@host" for a port, and writes "user/b@host".
    """
    return not (_BEFORE_SECRET.search(head) or head[0] == "/") and (head[-1] == "/" or "/" not in tail)


def _before_host(found: re.Match[str]) -> str:
    """Leave out what is before the last "@" that a host may follow."""
    starts = [one.start() for one in re.finditer(r"@(?=[\w\[])(?!sha\d+:)", found[0])]
    return f"{REDACTED}{found[0][starts[-1] :]}" if starts else found[0]


_RULES: tuple[tuple[tuple[str, ...], str, _Replacement], ...] = (
    # User and password of a URL's authority are left out, as apt does, so that the name of a source stays the same.
    (("@", "40"), rf"({_SLASHES})(?!{_DONE_USER})[^\s/?#\\]*(?:@|%(?:25)*40)", r"\1"),
    # What is left with an "@" has an unescaped "/", "?" or "#" before it, in a password or a path: assume a password.
    # libapt takes the host of such a URL to be empty and writes it with one slash.
    (
        ("@",),
        rf"{_START}(?!{_LOCAL})((?:{_SCHEME})?{_SLASHES})(?!{_DONE_USER})(\S+)",
        _before_last_at,
    ),
    (("@",), rf"{_START}(?!{_LOCAL})({_SCHEME}/)(?!/|{_DONE_USER})(\S+)", _before_last_at),
    (
        ("3a%",),
        r"(?i)(%(?:25)*3a%(?:25)*2f%(?:25)*2f)(?:(?!%(?:25)*3a%(?:25)*2f)\S)*%(?:25)*40",
        r"\1",
    ),
    # The same without a scheme, as proxies are written.
    (("@",), rf"{_START}(?!{_LOCAL})[^\s'\"/:@(<\[=,]*:(?!/|\\/)[^\s'\"@]+(?:@\S*)?", _before_host),
    (
        ("?", "#"),
        rf"({_SLASHES}(?:\\?/(?!\\?/)|\\(?!/)|[^\s/\\?#'\"<>])*(?:\?{_BUG}|\#{_ANCHOR}))[^\s'\"<>]+",
        rf"\1{REDACTED}",
    ),
    (("=",), rf"([?&]{_BUG}[A-Za-z0-9_.~%\[\]-]+=)[^\s&'\"<>]+", rf"\1{REDACTED}"),
    # Headers: up to the closing quote, or to the end of the line.
    (
        ("authorization", "cookie", "x-", "key"),
        r"(?i)((?:authorization|cookie2?(?=['\"]?\s*(?:=|:(?!:)[^\n]{0,200}=))|\bx-(?=[a-z0-9-]{0,40}(?:auth|key|token|secret))[a-z0-9-]{0,80}"
        r"|(?:api|private)[-_]?key)['\"]?\s*[:=]\s*)"
        rf"(?!\.\.\.|{_PROSE}|{_OF_PACKAGE})(?:b?(?P<quote>['\"])(?:(?!(?P=quote)).)*(?P=quote)|[^\s'\"].*)",
        rf"\1{REDACTED}",
    ),
    (
        ("basic", "bearer"),
        r"\b(B(?:asic|earer)|BASIC|BEARER|bearer)\s+(?=\S*[0-9=]|\S+[A-Z])[\w+/.~=-]{6,}",
        rf"\1 {REDACTED}",
    ),
    # As apt_auth.conf(5) has it.
    (("login",), r"\b(login\s+)\S+(\s+password\s+)(?:\"[^\"\n]*\"|\S+)", rf"\1{REDACTED}\2{REDACTED}"),
    (("machine", "account"), r"\b((?:machine|account)\s+\S+\s+password\s+)(?:\"[^\"\n]*\"|\S+)", rf"\1{REDACTED}"),
    # Assignments: to the closing quote, or one word.
    (
        _NEEDLES,
        rf"(?i)((?<![\w/.-])[\w.-]*{_WORDS}['\"]?[ \t]*[:=][ \t]*(?P<quote>['\"]))"
        rf"(?!{_DONE}|[^\w\s]?['\"]|{_PATH})(?:\\.|(?!(?P=quote))[^\\\n])+",
        rf"\1{REDACTED}",
    ),
    (
        _NEEDLES,
        rf"(?i)((?<![\w/.-])[\w.-]*{_WORDS}['\"]?[ \t]*[:=][ \t]*)(?!{_DONE}|{_PATH}|{_PROSE}|{_OF_PACKAGE})[^\s'\"&]+",
        rf"\1{REDACTED}",
    ),
    (("passwd", "pwd"), rf"(?i)({_SHORT_WORD})(?!/|{_DONE}|{_PROSE}|{_OF_PACKAGE})[^\s'\"&]+", rf"\1{REDACTED}"),
    (_BEFORE_IS, rf"((?i:\b{_WORDS}[ \t]+is:?[ \t]+['\"]?)(?!{_PROSE}))(?=\S*[0-9A-Z])[^\s'\"]+", rf"\1{REDACTED}"),
    # Options of commands, as scripts print them.
    (
        ("passwd", *_NEEDLES),
        rf"((?<!\S)--(?:[a-z]+-){{0,3}}(?:passwd|{_WORDS})[ \t]+['\"]?)(?!-|{_DONE}|{_PATH}|{_PROSE})[^\s'\"]+",
        rf"\1{REDACTED}",
    ),
    (
        (" -u", " --user", " --proxy-user"),
        rf"((?<!\S)(?:-u|--(?:proxy-)?user)[ \t=]*['\"]?[^\s:'\"]*:)(?!{_DONE})[^\s'\"]+",
        rf"\1{REDACTED}",
    ),
    (("attach",), r"\b(attach\s+)[A-Za-z0-9]{16,}", rf"\1{REDACTED}"),
    # Tokens that are known by their form.
    (
        ("gh", "glpat", "eyj"),
        r"(?<![\w-])(?:gh[oprsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*)",
        REDACTED,
    ),
    (
        ("private key",),
        r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)(?!\.\.\.).*?(?:-----END [A-Z ]*-----|\Z)",
        rf"\1{REDACTED}",
    ),
)
"""What a text must have for a rule to apply, in lower case and with one space before each word; the rule; what replaces
a match.

Compiled when first needed: most texts need none. Each must take time in proportion to the text's length.
"""
_ALL_NEEDLES = frozenset(needle for needles, _, _ in _RULES for needle in needles)
_SHORTEST = 4
"""Characters of a known secret."""
_SHORTEST_WORD = 12
"""Characters of one that consists of lower-case letters."""
_SHORTEST_ANYWHERE = 8
"""Characters of a known secret that is replaced inside of words, too."""
_NAME = lazy_pattern(r"[a-z0-9][a-z0-9+.:~-]{0,14}")
"""A package's name or version: a document keeps it although a password is the same, or it would name no package."""

_ESCAPE = lazy_pattern("%[0-9A-F]{2}")
_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_IDENTIFIER = f"{_ALPHANUMERIC}.+:~_-"
"""Characters of codes, ids, package names, versions and times of documents."""

_known: dict[str, re.Pattern[str]] = {}
_remembered: set[str] = set()
"""The values whose forms are in `_known`: a daemon reads the same token for each heartbeat."""


def remember_secrets(values: Iterable[str]) -> None:
    """Have `redact` replace these values, and their escaped forms, from now on in this process.

    A value that may be an ordinary word, as short ones of lower-case letters, is ignored: it would damage every text.
    """
    for value in values:
        if value in _remembered:
            continue
        _remembered.add(value)
        for form in _forms(value):
            if len(value) >= (_SHORTEST_WORD if value.isalpha() and value.islower() else _SHORTEST):
                _known[form] = _exactly(form)


def redact(text: str) -> str:
    """Return the text without credentials: users and passwords of URLs, queries, header values, known secrets."""
    for value in sorted(_known, key=len, reverse=True):
        if value in text:
            text = _known[value].sub(REDACTED, text)
    lower = " ".join(("", *text.lower().split()))
    if not _contains_any(lower, _ALL_NEEDLES):
        return text
    for needles, pattern, replacement in _RULES:
        if _contains_any(lower, needles):
            text = re.sub(pattern, replacement, text)
    return text


def _contains_any(text: str, needles: Iterable[str]) -> bool:
    """Return whether one is in the text. A loop, as `any` takes four times as long: a report has a hundred texts."""
    for needle in needles:  # noqa: SIM110
        if needle in text:
            return True
    return False


def redact_document(value: object) -> object:
    """Return a JSON value whose texts are redacted; codes, package names and versions stay as they are."""
    if isinstance(value, str):
        keep = not value.strip(_IDENTIFIER) and (value not in _known or _NAME.fullmatch(value))
        return value if keep else redact(value)
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
    twice = {_encoded(form, "~._-") for form in (*encoded, *lower)}
    return {value, *encoded, *lower, *twice, *escaped, quoted.replace("'", "&#39;")}


def _exactly(form: str) -> re.Pattern[str]:
    text = re.escape(form)
    return re.compile(text if len(form) >= _SHORTEST_ANYWHERE else rf"(?<![A-Za-z0-9]){text}(?![A-Za-z0-9])")


def _encoded(value: str, safe: str) -> str:
    """Do what urllib.parse.quote does, which is too heavy an import for `status`."""
    raw = value.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if chr(byte) in _ALPHANUMERIC + safe else f"%{byte:02X}" for byte in raw)


def one_line(text: str) -> str:
    """Return foreign text as one line of at most 300 characters, without terminal control characters and secrets."""
    return redact(" ".join("".join(char if char.isprintable() else " " for char in text).split()))[:_LONGEST_LINE]
