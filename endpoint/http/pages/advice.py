"""What the loaded advisories say of the CVEs and packages on a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from endpoint.core.advisories.model import CveText, KevEntry, Notice
from endpoint.store.advisories import Advisories


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """By CVE, and by package and version."""

    kev: Mapping[str, KevEntry]
    texts: Mapping[str, CveText]
    notices: Mapping[str, tuple[Notice, ...]]
    of_versions: Mapping[tuple[str, str], tuple[Notice, ...]]

    def exploited(self, cves: Iterable[str] | None) -> list[str]:
        """Return those that are known to be exploited, the earliest due first."""
        found = [self.kev[cve] for cve in cves or () if cve in self.kev]
        return [entry.cve for entry in sorted(found, key=lambda entry: (entry.due or "9999", entry.cve))]

    def notices_of(self, package: str, version: str | None) -> tuple[Notice, ...]:
        """Return the notices that name exactly this version."""
        return self.of_versions.get((package, version), ()) if version is not None else ()


def advice_for(
    advisories: Advisories, cves: Iterable[str], versions: Iterable[tuple[str, str]] = (), *, with_texts: bool = False
) -> Advice:
    """Look up what a page shows.

    Raises:
        StoreError: the database does not answer.
    """
    wanted = frozenset(cves)
    return Advice(
        kev=advisories.kev(wanted),
        texts=advisories.texts(wanted) if with_texts else {},
        notices=advisories.notices_of_cves(wanted) if with_texts else {},
        of_versions=advisories.notices_of_versions(versions),
    )
