"""Reads records in OSV's format as Ubuntu and Debian publish them. Pure.

https://ossf.github.io/osv-schema/. A record is either a notice (USN-…, LSN-…, DSA-…, DLA-…), which names the CVEs it
fixes and the packages with the fix, or describes one CVE (UBUNTU-CVE-…, DEBIAN-CVE-…, CVE-…). Only exact versions are
taken: whether a host needs a fix is decided by its agent, never by comparing versions here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from endpoint.core.advisories.model import CVE, CveText, Notice, OsvRecord, day_of, text_of

_NOTICE = re.compile(r"(?:USN|LSN|DSA|DLA)-[0-9]{1,8}(?:-[0-9]{1,4})?")
_OF_CVE = re.compile(r"(?:UBUNTU-|DEBIAN-)?(CVE-[0-9]{4}-[0-9]{4,19})")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]{0,127}")
_NAMES_CVES = ("upstream", "related", "aliases")
"""`upstream` since version 1.7 of the schema; older records of Ubuntu and Debian use the others."""
_MAX_TITLE, _MAX_TEXT = 512, 1024
_MAX_CVES, _MAX_FIXED = 2_000, 20_000


def read_osv(document: object) -> OsvRecord | None:
    """Return a record; None: it is about something else, or was withdrawn.

    Raises:
        ValueError: it is no OSV record.
    """
    if not isinstance(document, dict):
        raise ValueError("not an OSV record: no object")  # noqa: TRY004 - invalid data, not a bug
    identity = text_of(document, "id", 64)
    if not identity:
        raise ValueError("not an OSV record: no `id`")
    if document.get("withdrawn"):
        return None
    if _NOTICE.fullmatch(identity):
        title = text_of(document, "summary", _MAX_TITLE) or text_of(document, "details", _MAX_TITLE)
        return OsvRecord(
            notice=Notice(id=identity, title=title, published=day_of(document, "published")),
            cves=tuple(_cves(document)),
            fixed=tuple(sorted(set(_fixed(document)))[:_MAX_FIXED]),
        )
    of_cve = _OF_CVE.fullmatch(identity)
    if of_cve is None:
        return None
    text = text_of(document, "details", _MAX_TEXT) or text_of(document, "summary", _MAX_TEXT)
    return OsvRecord(text=CveText(cve=of_cve[1], text=text, priority=_priority(document)))


def _cves(document: Mapping[str, Any]) -> list[str]:
    """Return the CVEs that a notice names, each once."""
    named = [one for name in _NAMES_CVES for one in _list(document, name) if isinstance(one, str)]
    matched = [_OF_CVE.fullmatch(one) for one in named]
    found = dict.fromkeys(one[1] for one in matched if one is not None and CVE.fullmatch(one[1]))
    return list(found)[:_MAX_CVES]


def _fixed(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for affected in _tables(document, "affected"):
        package = affected.get("package")
        name = package.get("name") if isinstance(package, dict) else None
        for versions in _tables(affected, "ranges"):
            for event in _tables(versions, "events"):
                yield from _pair(name, event.get("fixed"))
        specific = affected.get("ecosystem_specific")
        for binary in _tables(specific, "binaries") if isinstance(specific, dict) else ():
            yield from _pair(binary.get("binary_name"), binary.get("binary_version"))


def _pair(name: object, version: object) -> Iterator[tuple[str, str]]:
    if isinstance(name, str) and isinstance(version, str) and _PACKAGE.fullmatch(name) and _VERSION.fullmatch(version):
        yield name, version


def _priority(document: Mapping[str, Any]) -> str | None:
    """Return the distribution's word, as Ubuntu's "medium"; None: it has none, only a CVSS vector, or neither."""
    named = [one for one in _tables(document, "severity") if str(one.get("type", "")).lower() in {"ubuntu", "debian"}]
    return text_of(named[0], "score", 32).lower() or None if named else None


def _list(part: Mapping[str, Any], name: str) -> list[Any]:
    found = part.get(name)
    return found if isinstance(found, list) else []


def _tables(part: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in _list(part, name) if isinstance(one, dict)]
