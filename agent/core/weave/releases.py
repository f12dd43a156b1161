"""The releases of Weave Net by vendor: a dated copy, no network. Pure.

weaveworks/weave was archived; rajch/weave continues it under the images rajchaudhuri/weave (docker-weave.md 3.4).
"""

from datetime import date

from agent.core.frozen import frozen
from agent.core.model.weave import Vendor
from agent.core.version_numbers import version_numbers

TABLE_FROM = date(2026, 11, 28)
"""When the table was made."""
LATEST = "latest"


@frozen
class ReleaseLine:
    """The releases X.Y.FIRST up to X.Y.LAST of one vendor."""

    line: tuple[int, int]
    first: int
    last: int

    @property
    def newest(self) -> str:
        """The newest release of the line."""
        return f"{self.line[0]}.{self.line[1]}.{self.last}"

    def has(self, version: tuple[int, ...]) -> bool:
        """Return whether the line has a release with exactly these numbers."""
        return version[:2] == self.line and version[2:] in {(patch,) for patch in range(self.first, self.last + 1)}


RELEASES: dict[Vendor, tuple[ReleaseLine, ...]] = {
    Vendor.WEAVEWORKS: (
        ReleaseLine(line=(1, 8), first=0, last=2),
        ReleaseLine(line=(1, 9), first=0, last=8),
        ReleaseLine(line=(2, 0), first=0, last=5),
        ReleaseLine(line=(2, 1), first=0, last=3),
        ReleaseLine(line=(2, 2), first=0, last=1),
        ReleaseLine(line=(2, 3), first=0, last=0),
        ReleaseLine(line=(2, 4), first=0, last=1),
        ReleaseLine(line=(2, 5), first=0, last=2),
        ReleaseLine(line=(2, 6), first=0, last=5),
        ReleaseLine(line=(2, 7), first=0, last=0),
        ReleaseLine(line=(2, 8), first=0, last=1),
    ),
    Vendor.RAJCHAUDHURI: (
        ReleaseLine(line=(2, 8), first=2, last=10),
        ReleaseLine(line=(2, 9), first=0, last=0),
    ),
}
"""Oldest line first."""
ARCHIVED: dict[Vendor, date] = {Vendor.WEAVEWORKS: date(2024, 6, 20)}
"""Vendors that publish nothing any more, and since when."""


def newest(vendor: Vendor) -> str | None:
    """Return a vendor's newest release; None for one that is not in the table."""
    lines = RELEASES.get(vendor)
    return lines[-1].newest if lines else None


def release_of(request: str, vendor: Vendor) -> str | None:
    """Return the release that a manifest's version stands for: exact, `latest`, or a line as `2.8`, `2.8.x`; else None.

    A vendor's release is never taken for another's: weaveworks has no 2.8.2 (W19).
    """
    if request.strip() == LATEST:
        return newest(vendor)
    text = request.strip().removeprefix("v").removesuffix(".x").removesuffix(".*")
    version = version_numbers(text)
    if ".".join(map(str, version)) != text:
        return None
    lines = RELEASES.get(vendor, ())
    if any(line.has(version) for line in lines):
        return text
    return next((line.newest for line in reversed(lines) if version and line.line[: len(version)] == version), None)


def vendors_of(request: str) -> tuple[Vendor, ...]:
    """Return the vendors that have a release for a manifest's version."""
    return tuple(vendor for vendor in RELEASES if release_of(request, vendor))
