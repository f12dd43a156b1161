"""Kernel images and what is known of them, as frozen values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An installed kernel image; `release` is what `uname -r` says where it runs."""

    release: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unneeded:
    """An installed package that libapt calls garbage: nothing that somebody asked for needs it."""

    package: str
    architecture: str
    version: str
    automatic: bool = True
    on_hold: bool = False

    @property
    def name(self) -> str:
        """The package as `name:architecture`."""
        return f"{self.package}:{self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One dependency of an installed package: any one of these (`name:architecture`) meets it."""

    package: str
    any_of: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What one look saw of kernels."""

    running: str
    """The running kernel's release (`uname -r`)."""
    patterns: tuple[str, ...]
    """Regular expressions of apt's `APT::VersionedKernelPackages`: names before `-` and a release."""
    images: tuple[Image, ...]
    """Oldest first, by dpkg's order of the packages' versions."""
    unneeded: tuple[Unneeded, ...]
    needs: tuple[Need, ...]
    """Every dependency that an unneeded kernel package helps to meet."""
    build: str = ""
    """What the running kernel says of its build (`uname -v`)."""


NO_KERNELS = Kernels(running="", patterns=(), images=(), unneeded=(), needs=())
"""A machine where nothing is superseded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A package that is removed, or one that stays although apt would let it go; `reason` says why in words."""

    package: str
    architecture: str
    version: str
    reason: str

    @property
    def name(self) -> str:
        """The package as `name:architecture`."""
        return f"{self.package}:{self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """What becomes of the kernels that apt calls garbage."""

    remove: tuple[Removal, ...] = ()
    kept: tuple[Removal, ...] = ()


NOTHING_SUPERSEDED = Superseded()
"""No kernel goes, and none needs a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The running kernel's release beside that of the newest installed one; None where it cannot be told."""

    running: str | None
    newest: str | None
    outdated: bool | None


NO_KERNEL = Kernel(running=None, newest=None, outdated=None)
"""Nothing is known."""
