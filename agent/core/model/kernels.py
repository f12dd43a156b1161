"""Kernel images, packages that nothing needs, and facts about them, as frozen values."""

from agent.core.frozen import frozen
from agent.core.model.package import OfPackage, PackageId
from agent.core.model.reasons import NO_REASON, Reason


@frozen
class KernelImage:
    """An installed kernel image; `release` is what `uname -r` prints when it runs."""

    release: str
    version: str


@frozen
class AutoRemovable(OfPackage):
    """An installed package that libapt marks as garbage: no manually installed package needs it."""

    package: str
    architecture: str
    version: str
    automatic: bool = True
    on_hold: bool = False


@frozen
class Dependency:
    """One dependency of an installed package: any one of these satisfies it."""

    package: PackageId
    any_of: tuple[PackageId, ...]


@frozen
class NewlyUnneeded:
    """What becomes unneeded by some steps, with every dependency that one of these packages helps to satisfy."""

    packages: tuple[AutoRemovable, ...] = ()
    """In the versions that they have after the steps."""
    needs: tuple[Dependency, ...] = ()


@frozen
class KernelFacts:
    """Facts about the kernels."""

    running: str
    """The running kernel's release (`uname -r`)."""
    patterns: tuple[str, ...]
    """Regular expressions of apt's `APT::VersionedKernelPackages`: package names up to `-` and a release."""
    images: tuple[KernelImage, ...]
    """Oldest first, by dpkg's order of the packages' versions."""
    unneeded: tuple[AutoRemovable, ...]
    needs: tuple[Dependency, ...]
    """Every dependency that an unneeded kernel package helps to satisfy."""


NO_KERNEL_FACTS = KernelFacts(running="", patterns=(), images=(), unneeded=(), needs=())
"""A machine without obsolete kernels."""


@frozen
class Removal(OfPackage):
    """A package that nothing needs and that is removed, or one that is kept although apt would remove it."""

    package: str
    architecture: str
    version: str
    cause: Reason = NO_REASON
    reason: str = ""
    """The sentence of `cause`, as in `agent.core.model.plan.Held.detail`."""


@frozen
class ObsoleteKernels:
    """The kernels that apt marks as garbage: which are removed, and which are kept."""

    remove: tuple[Removal, ...] = ()
    kept: tuple[Removal, ...] = ()


NO_OBSOLETE_KERNELS = ObsoleteKernels()
"""No kernel is removed or kept."""


@frozen
class RunningKernel:
    """Releases of the running kernel and of the newest installed one; None: not known."""

    running: str | None
    newest: str | None
    outdated: bool | None
    without_image: tuple[str, ...] = ()
    """Installed packages of newer kernels whose image is not in /boot, so that they cannot be booted."""


UNKNOWN_KERNEL = RunningKernel(running=None, newest=None, outdated=None)
"""Nothing is known."""
