"""What advisory files say of CVEs, as frozen values. Pure; days are ISO 8601, times Unix seconds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endpoint.core.text import clean

CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KevEntry:
    """A CVE of CISA's catalogue of known exploited vulnerabilities (KEV)."""

    cve: str
    added: str
    """The day it was listed."""
    due: str | None
    """The day until which US federal agencies have to fix it; None: not given."""
    name: str
    action: str
    ransomware: bool | None
    """Whether ransomware is known to use it; None: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KevCatalogue:
    """The catalogue."""

    released: str | None
    """As the file has it; None: not given."""
    entries: tuple[KevEntry, ...]
    refused: int
    """Entries that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An advisory of a distribution: a USN, LSN, DSA or DLA."""

    id: str
    title: str
    published: str | None
    """A day; None: not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CveText:
    """A description of a CVE, and the distribution's priority; None: it has none."""

    cve: str
    text: str
    priority: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsvRecord:
    """One record in OSV's format: a notice with what it fixes, or the description of a CVE."""

    notice: Notice | None = None
    cves: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    """Packages, source and binary, each with the version that has the fix."""
    text: CveText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisorySource:
    """What is loaded of one kind of file."""

    name: str
    place: str
    """The file or directory it was loaded from."""
    loaded_s: float
    released: str | None
    entries: int
    refused: int


def text_of(part: Mapping[str, Any], name: str, most: int) -> str:
    """Return a member as printable text; empty if it is missing or no text."""
    found = part.get(name)
    return clean(" ".join(found[: 4 * most].split()), most) if isinstance(found, str) else ""


def day_of(part: Mapping[str, Any], name: str) -> str | None:
    """Return the day at which a member's text begins; None: it has none."""
    found = part.get(name)
    matched = _DAY.match(found) if isinstance(found, str) else None
    return matched[0] if matched else None
