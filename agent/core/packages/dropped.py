"""What an upgrade run no longer tries, and why: packages, and single versions of packages. Pure."""

from collections.abc import Collection, Mapping

from agent.core.frozen import field, frozen, replace
from agent.core.model.facts import Update
from agent.core.model.package import PackageId
from agent.core.model.plan import Refusal

VersionOf = tuple[PackageId, str]
"""One version of one package."""


@frozen
class Dropped:
    """What a run no longer tries, each with the reason."""

    packages: Mapping[PackageId, Refusal] = field(default_factory=dict)
    """In no version: dpkg failed on these."""
    versions: Mapping[VersionOf, Refusal] = field(default_factory=dict)
    """In this version only: its archive cannot be had, has no space, or brings a prompt. Another one may do."""

    def __contains__(self, package: PackageId) -> bool:
        """Whether the package, or any version of it, is dropped."""
        return package in self.packages or any(package == one for one, _ in self.versions)

    def refusal(self, update: Update) -> Refusal | None:
        """Return why an update is no longer tried; None if it may be."""
        return self.packages.get(update.id) or self.versions.get((update.id, update.candidate))

    def veto(self, package: PackageId, admitted: Collection[PackageId]) -> Refusal | None:
        """Return why no step may touch a package, not even as a dependency; None if steps may.

        One of `admitted` has a version that is not dropped, and comes in no other.
        """
        if package in self.packages or package in admitted:
            return self.packages.get(package)
        return next((refusal for (one, _), refusal in self.versions.items() if one == package), None)

    def with_packages(self, more: Mapping[PackageId, Refusal]) -> "Dropped":
        """Drop more packages, each for a reason."""
        return replace(self, packages={**self.packages, **more})

    def with_versions(self, more: Mapping[VersionOf, Refusal]) -> "Dropped":
        """Drop more versions, each for a reason."""
        return replace(self, versions={**self.versions, **more})


NOTHING_DROPPED = Dropped()
"""Everything is tried."""
