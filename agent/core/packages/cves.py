"""Changelog findings: what updates fix, by package and versions. Pure."""

from collections.abc import Iterator, Mapping

from agent.core.frozen import frozen
from agent.core.model.facts import Update
from agent.core.model.package import OfPackage
from agent.core.model.plan import Held, Plan, Step


@frozen
class ChangelogFindings:
    """What a changelog lists between the installed version and the candidate."""

    cves: tuple[str, ...]
    """CVE ids without duplicates, sorted by year and number."""
    security_upload: bool
    """Whether any of these versions was uploaded to a security suite."""
    complete: bool
    """Whether the changelog reaches back to the installed version, and every id in it was understood.

    Ubuntu removes old entries; people write "CVE-2020-XXXX", or ranges.
    """

    @property
    def conclusive(self) -> bool:
        """Whether the findings mean anything: a truncated changelog without a CVE proves nothing."""
        return self.complete or bool(self.cves)


@frozen
class VersionChange(OfPackage):
    """The change of one package from one version to another: the key of changelog findings."""

    package: str
    architecture: str
    installed: str
    candidate: str

    @classmethod
    def of(cls, item: Update | Step | Held) -> "VersionChange | None":
        """Return the version change of an update; None for a new package, which fixes nothing on this machine."""
        if item.installed is None:
            return None
        return cls(
            package=item.package, architecture=item.architecture, installed=item.installed, candidate=item.candidate
        )


Findings = Mapping[VersionChange, ChangelogFindings | None]
"""Findings by version change; None: no changelog, or one without these versions."""
NO_FINDINGS: Findings = {}


def findings_of(findings: Findings, item: Update | Step | Held) -> ChangelogFindings | None:
    """Return an update's findings; None if its changelog was not read or they are not conclusive."""
    subject = VersionChange.of(item)
    return findings_for(findings, subject) if subject is not None else None


def findings_for(findings: Findings, subject: VersionChange) -> ChangelogFindings | None:
    """As `findings_of`, by version change."""
    found = findings.get(subject)
    return found if found is not None and found.conclusive else None


def unlabelled_security_fixes(plan: Plan, findings: Findings) -> Iterator[tuple[Update, ChangelogFindings]]:
    """Yield updates that contain a security fix although their origin is no security origin and they are not planned.

    If the package also has a security update, only a CVE that the security update does not fix counts.
    """
    items: list[Step | Held] = [*plan.install, *plan.held]
    known = {item.id: findings_of(findings, item) for item in items}
    for update in plan.others:
        found = findings_of(findings, update)
        if found is None:
            continue
        if update.id not in known:
            if found.cves or found.security_upload:
                yield update, found
            continue
        below = known[update.id]
        if below is not None and set(found.cves) - set(below.cves):
            yield update, found
