"""Debian changelogs for the tests' packages."""

import gzip
from dataclasses import replace

from tests.support.repository import Package


def entry(
    version: str, text: str = "Nothing of note.", *, suite: str = "bookworm-security", source: str = "src"
) -> str:
    """Return one entry."""
    signature = " -- Maestro Tests <tests@example.org>  Mon, 23 Nov 2026 05:10:00 +0000"
    return f"{source} ({version}) {suite}; urgency=high\n\n  * {text}\n\n{signature}\n\n"


def changelog(*texts: str) -> str:
    """Return a changelog of version 1, and of version 2 and so on with these texts, newest first."""
    entries = [entry(str(number), text) for number, text in enumerate(texts, start=2)]
    return "".join([*reversed(entries), entry("1", "First release: CVE-1999-0001 is long fixed.")])


def documented(package: Package, text: str, *, name: str = "changelog.Debian.gz") -> Package:
    """Return the package with a changelog in its documentation."""
    file = (f"/usr/share/doc/{package.name}/{name}", packed(text) if name.endswith(".gz") else text.encode())
    return replace(package, files=(*package.files, file))


def fixed(package: Package, *cves: str) -> Package:
    """Return the package with a changelog whose newest entry fixes these, above version 1."""
    return documented(package, entry(package.version, f"Fix {', '.join(cves)}.") + entry("1"))


def packed(text: str) -> bytes:
    """Compress as debhelper does."""
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)
