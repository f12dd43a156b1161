"""Finds what a Debian changelog (deb-changelog(5)) lists between two versions of a source package. Pure.

Lines are read lazily from the top, and dpkg's version comparison is a parameter. Text that is no changelog yields no
entries; it is never an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from agent.core.frozen import frozen
from agent.core.packages.cve_ids import find_cve_ids
from agent.core.packages.cves import ChangelogFindings
from agent.core.pattern import lazy_pattern

_HEADER = lazy_pattern(
    r"[a-z0-9][a-z0-9+.-]{0,200}[ \t]{1,9}\((?P<version>[^() \t]{1,300})\)"
    r"(?P<distributions>[^;]{0,300});(?P<fields>.*)",
    re.IGNORECASE,
)
_URGENCY = lazy_pattern(r"urgency=([a-z]{1,20})", re.IGNORECASE)
_LONGEST_HEADER = 1000


@frozen
class ChangelogEntry:
    """One entry of a changelog: one version of the source package."""

    version: str
    distributions: tuple[str, ...]
    """Suites that it was uploaded to, such as "bookworm-security", in lower case."""
    urgency: str
    """In lower case; empty if there is none."""
    cves: tuple[str, ...]
    """CVE ids without duplicates, sorted by year and number."""
    doubtful: bool = False
    """Whether the text may name further CVEs."""

    @property
    def security(self) -> bool:
        """Whether it was uploaded to a security suite ("bookworm-security", "noble-security")."""
        return any(name.endswith("-security") for name in self.distributions)


def parse_entries(lines: Iterable[str]) -> Iterator[ChangelogEntry]:
    """Yield entries from the top. No line is read beyond the header that ends the last yielded entry."""
    header: re.Match[str] | None = None
    body: list[str] = []
    for line in lines:
        found = None if line[:1].isspace() else _HEADER.match(line[:_LONGEST_HEADER])
        if found is None:
            body.append(line)
            continue
        if header is not None:
            yield _entry(header, body)
        header, body = found, [line[_LONGEST_HEADER:]]
    if header is not None:
        yield _entry(header, body)


def collect_findings(
    lines: Iterable[str],
    *,
    installed: str,
    candidate: str,
    compare: Callable[[str, str], int],
    before: Callable[[], Iterable[str]] = tuple,
) -> ChangelogFindings | None:
    """Return the findings of entries above the installed version, up to the candidate; both are source versions.

    `compare` is dpkg's version comparison: negative, zero or positive. Returns None if the changelog has no entry
    between the two. Reading ends at the first entry that is not above the installed version. If that entry is of an
    older version, the candidate is from another branch: CVEs in the installed changelog, whose lines are `before`,
    were fixed already.
    """
    if compare(installed, candidate) >= 0:  # rebuilt from the same source: no entry in between
        return ChangelogFindings(cves=(), security_upload=False, complete=True)
    cves: set[str] = set()
    security = complete = seen = branched = doubtful = False
    for entry in parse_entries(lines):
        if compare(entry.version, installed) <= 0:
            complete = True
            branched = compare(entry.version, installed) < 0
            break
        if compare(entry.version, candidate) <= 0:
            seen = True
            security = security or entry.security
            cves.update(entry.cves)
            doubtful = doubtful or entry.doubtful
    if not seen:
        return None
    if branched:
        cves.difference_update(*(entry.cves for entry in parse_entries(before())))
    return ChangelogFindings(
        cves=tuple(sorted(cves, key=_order)), security_upload=security, complete=complete and not doubtful
    )


def _entry(header: re.Match[str], body: list[str]) -> ChangelogEntry:
    text = "\n".join([header["fields"], *body])
    urgency = _URGENCY.search(header["fields"])
    found = find_cve_ids(text)
    return ChangelogEntry(
        version=header["version"],
        distributions=tuple(header["distributions"].lower().split()),
        urgency=urgency[1].lower() if urgency else "",
        cves=tuple(sorted(found.ids, key=_order)),
        doubtful=found.doubtful,
    )


def _order(cve: str) -> tuple[int, int, str]:
    _, year, number = cve.split("-")
    return int(year), int(number), number
