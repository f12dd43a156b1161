"""What pending updates fix, as values: readings of changelogs, by package and versions. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.core.model.facts import Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Held, Plan, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogFindings:
    """What a changelog names between the installed version and the candidate."""

    cves: tuple[str, ...]
    """CVE ids, each once, by year and number."""
    security_upload: bool
    """Whether any of these versions was made for a security suite."""
    complete: bool
    """Whether the changelog reached back to the installed version; Ubuntu cuts old entries off."""

    @property
    def conclusive(self) -> bool:
        """Whether the reading says anything: that a part of a changelog names no CVE says nothing."""
        return self.complete or bool(self.cves)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """One package brought from one version to another: what a reading is of."""

    package: str
    architecture: str
    installed: str
    candidate: str

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)

    @classmethod
    def of(cls, item: Update | Step | Held) -> "VersionChange | None":
        """Return the subject of an update; None for a new package, which fixes nothing on this machine."""
        if item.installed is None:
            return None
        return cls(
            package=item.package, architecture=item.architecture, installed=item.installed, candidate=item.candidate
        )


Findings = Mapping[VersionChange, ChangelogFindings | None]
"""What was read; None where there was no changelog, or one that says nothing of these versions."""
NO_FINDINGS: Findings = {}


def findings_of(readings: Findings, item: Update | Step | Held) -> ChangelogFindings | None:
    """Return what is known of an update; None where it was not read, or where the reading says nothing."""
    subject = VersionChange.of(item)
    return findings_for(readings, subject) if subject is not None else None


def findings_for(readings: Findings, subject: VersionChange) -> ChangelogFindings | None:
    """As `findings_of`, by subject."""
    found = readings.get(subject)
    return found if found is not None and found.conclusive else None


def unlabelled_security_fixes(plan: Plan, readings: Findings) -> Iterator[tuple[Update, ChangelogFindings]]:
    """Find updates that are no security updates by their origin and no part of the plan, but hold a security fix.

    Where the package has a security update too, only what goes beyond that one counts.
    """
    items: list[Step | Held] = [*plan.install, *plan.held]
    known = {item.id: findings_of(readings, item) for item in items}
    for update in plan.others:
        found = findings_of(readings, update)
        if found is None:
            continue
        if update.id not in known:
            if found.cves or found.security_upload:
                yield update, found
            continue
        below = known[update.id]
        if below is not None and set(found.cves) - set(below.cves):
            yield update, found
