"""Errors that dpkg transactions reported, as a frozen value."""

from collections.abc import Mapping

from agent.core.frozen import field, frozen
from agent.core.model.package import PackageId


@frozen
class TransactionReport:
    """Errors of one or more transactions. Their results are read from dpkg's states, never from this."""

    errors: Mapping[PackageId | str, str] = field(default_factory=dict)
    """dpkg's error by package.

    The key is a bare name if no architecture was reported: dpkg's status lines omit it for native packages that
    are not `Multi-Arch: same`, archive names may hold `all`, and a maintainer script's file name holds it only for
    `Multi-Arch: same`.
    """
    fatal: str = ""
    """The error of the transaction as a whole, which belongs to no single package; empty if there was none."""
    cause: str = ""
    """dpkg's or a hook's own message on what is wrong with the machine; empty if a package, or nothing, failed.

    Another attempt, with whichever packages, ends with the same.
    """

    def names(self, package: PackageId) -> bool:
        """Whether an error was reported for this package."""
        return package in self.errors or package.name in self.errors

    def error_of(self, package: PackageId) -> str:
        """Return the package's own error; empty if none was reported."""
        return self.errors.get(package) or self.errors.get(package.name) or ""

    def followed_by(self, later: "TransactionReport") -> "TransactionReport":
        """Return both reports as one; of two errors for the same package the later one is kept.

        So is the later `cause`: what the last attempt did not meet is not wrong any more.
        """
        kept = {key: error for key, error in self.errors.items() if isinstance(key, str) or not later.names(key)}
        return TransactionReport(errors={**kept, **later.errors}, fatal=later.fatal or self.fatal, cause=later.cause)
