"""Identity of a package, as a frozen value, and what refers to one."""

from agent.core.frozen import frozen
from agent.core.package_label import package_label
from agent.core.pattern import lazy_pattern

_NAME = lazy_pattern(r"[a-z0-9][a-z0-9+.-]{0,127}(:[a-z0-9][a-z0-9-]{0,31})?")
"""A package name as dpkg takes it, with or without an architecture; Debian Policy, 5.6.1, wants two characters."""


def is_package_name(text: str) -> bool:
    """Whether a text is `name` or `name:architecture`."""
    return _NAME.fullmatch(text) is not None


@frozen
class PackageId:
    """One package of one architecture, never `all`: dpkg counts those as the native architecture."""

    name: str
    architecture: str

    def __lt__(self, other: "PackageId") -> bool:
        """Order by name, then by architecture."""
        return (self.name, self.architecture) < (other.name, other.architecture)

    def __hash__(self) -> int:
        """Return the hash of both; here because a check looks up thousands of these."""
        return hash((self.name, self.architecture))

    def __str__(self) -> str:
        """Return `name:architecture`, as dpkg writes it."""
        return f"{self.name}:{self.architecture}"

    @property
    def label(self) -> str:
        """The name for people."""
        return package_label(self.name, self.architecture)

    @classmethod
    def parse(cls, text: str) -> "PackageId":
        """Return the package that `name:architecture` stands for.

        Raises:
            ValueError: the text holds no colon, or nothing on a side of it.
        """
        name, _, architecture = text.partition(":")
        if not name or not architecture:
            raise ValueError(f"{text!r} is not of the form name:architecture")
        return cls(name=name, architecture=architecture)


class OfPackage:
    """Mixin of values about one package: adds `id` to their two fields."""

    __slots__ = ()
    package: str
    architecture: str

    @property
    def id(self) -> PackageId:
        """Package name and architecture."""
        return PackageId(name=self.package, architecture=self.architecture)

    @property
    def label(self) -> str:
        """The package's name for people."""
        return package_label(self.package, self.architecture)
