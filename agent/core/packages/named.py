"""What a person names: a package, a package of one architecture, or a CVE. Pure."""

from collections.abc import Collection

from agent.core.model.facts import Update
from agent.core.model.package import PackageId, is_package_name

_ANY_ARCHITECTURE = "all"
"""dpkg counts packages for all architectures as the native one's."""


def names_package(what: str, package: PackageId) -> bool:
    """Whether `name` or `name:architecture` means this package."""
    base, _, architecture = what.partition(":")
    return (
        is_package_name(what) and package.name == base and architecture in {"", _ANY_ARCHITECTURE, package.architecture}
    )


def is_named(update: Update, names: Collection[str]) -> bool:
    """Whether one of the names means this update: its package, or a CVE that its changelog names."""
    return any(names_package(name, update.id) or name in update.cves for name in names)
