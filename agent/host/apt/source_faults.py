"""Classifies libapt's messages about package sources."""

import re
from collections.abc import Mapping

from agent.core.model.facts import SourceFault
from agent.core.pattern import lazy_pattern

_PATTERNS: tuple[tuple[SourceFault, str], ...] = (
    # libapt's English messages (LC_ALL=C is set); the first match wins. Status codes begin a message of the HTTP
    # method, or follow the URI that could not be fetched.
    (SourceFault.NOT_YET_VALID, r"Release file for \S+ is not valid yet"),
    (SourceFault.EXPIRED, r"Release file for \S+ is expired|Valid-Until"),
    (SourceFault.RELEASE_CHANGED, r"changed its '\w+' value"),
    (SourceFault.UNAUTHORIZED, r"(?:^|  |HTTP/[\d.]+ )(?:401|402|403|407|451)\b|[Pp]roxy authentication"),
    (SourceFault.NOT_FOUND, r"(?:^|  |HTTP/[\d.]+ )(?:404|410)\b"),
    (SourceFault.UNREACHABLE, r"(?:^|  |HTTP/[\d.]+ )(?:408|425|429|5\d\d)\b"),
    (
        SourceFault.CORRUPT,
        r"Hash Sum mismatch|unexpected size|Clearsigned file|Splitting up|Unable to parse|Mirror sync|NODATA"
        r"|Empty files can't|Unable to find expected entry|No Hash entry|strong enough|weak security"
        r"|does not contain valid|corrupt",
    ),
    (SourceFault.UNSIGNED, r"is not signed|no longer signed|insecure"),
    (SourceFault.BAD_SIGNATURE, r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|signature|not signed by|Missing key|sqv|gpgv"),
    (SourceFault.NOT_FOUND, r"File not found|No such file|Failed to stat|a Release file|apt-cdrom|requires the disc"),
    (
        SourceFault.UNREACHABLE,
        r"Could not connect|Could not resolve|Temporary failure|Connection (failed|refused|timed out|reset)|timed out"
        r"|Unable to connect|Network is unreachable|Cannot initiate|Undetermined|closed connection|Could not handshake"
        r"|Certificate verification|SSL connection|Redirection loop|Error reading from server|Bad header"
        r"|wait for server|invalid reply|Data socket|Something wicked|No route to host|mirror file failed"
        r"|apt\.refresh_timeout",
    ),
)
_ADVICE: Mapping[SourceFault, str] = {
    SourceFault.NOT_YET_VALID: "check this machine's clock",
    SourceFault.RELEASE_CHANGED: "`apt-get update --allow-releaseinfo-change` accepts it",
}
_LONG_PART = lazy_pattern(r"\s*\n\s*(?:Hashes of expected file:|Last modification reported:).*", re.DOTALL)
"""What libapt appends to a wrong checksum: a dozen lines of checksums."""


def fault_of(message: str) -> SourceFault:
    """Classify one of libapt's messages."""
    return next((fault for fault, pattern in _PATTERNS if re.search(pattern, message)), SourceFault.OTHER)


def detail_of(message: str) -> str:
    """Return a message in one line, and what an administrator can do where that is not plain from it."""
    text = "; ".join(filter(None, map(str.strip, _LONG_PART.sub("", message).split("\n"))))
    advice = _ADVICE.get(fault_of(message))
    return f"{text}; {advice}" if advice else text
