"""Whether a newer kernel than the running one is installed, from releases and package versions. Pure and light.

A release is what `uname -r` prints: upstream version, usually an ABI or build number, and the flavour
(6.8.0-31-generic, 6.1.0-18-cloud-amd64).
"""

import re
from collections.abc import Iterable

from agent.core.debian_version import version_key
from agent.core.pattern import lazy_pattern

_IMAGE = lazy_pattern(
    r"(?:linux-image-(?:unsigned-)?|proxmox-kernel-|pve-kernel-)"
    r"([0-9]+\.[0-9]+(?:\.[0-9]+|-rc[0-9]+)[^ ]*?)"  # 6.8.0-31-generic, 6.13-rc6-amd64
    r"(?:-unsigned|-signed)?"
)
IMAGE_PREFIXES = ("linux-image-", "proxmox-kernel-", "pve-kernel-")
"""What the names of kernel images start with."""
_SYMBOLS = ("-dbg", "-dbgsym")
_VERSION = lazy_pattern(r"[0-9]+\.[0-9]+[^-]*")
_ABI = lazy_pattern(r"(?!686$)[0-9].*|rc[0-9]+")
"""The first part after the version if more follow: 31, 0.deb12.4. 686 is an architecture."""
_NO_FLAVOUR = lazy_pattern(r"(?!686$)[0-9]+|rc[0-9]+")
_COUNTER = lazy_pattern(r"(?<=[a-z]{2})(?!32$|64$)[0-9]{1,2}$|(?<=v)[0-9]{2,}$")
"""A build's number at the end of a flavour's part: xanmod1, rt22, v595. In amd64, v8 and bcm2711 it is a part of the
name."""
_COUNTER_ALONE = lazy_pattern(r"[0-9]{1,2}|bpo[0-9]+")
_BUILD = lazy_pattern(r"\bDebian (?P<version>[0-9]\S*)")
"""The package version in the build string of Debian's kernels; Ubuntu gives every build its own release."""


class KernelComparison:
    """The running kernel and the installed ones of its flavour."""

    def __init__(self, running: str | None, newest: str | None, newer: tuple[tuple[str, str], ...]) -> None:
        self.running = running
        self.newest = newest
        """The newest installed release, by dpkg's order of the packages' versions; None if none of the flavour is."""
        self.newer = newer
        """Release and package version of those that are newer than the running one, oldest first."""
        self.without_image: tuple[str, ...] = ()
        """Installed packages of newer kernels whose image is not in /boot, so that they cannot be booted."""

    @property
    def outdated(self) -> bool | None:
        """Whether a newer one is installed; None if that is unknown."""
        return None if self.newest is None else bool(self.newer)


def compare_kernels(running: str, build: str, images: Iterable[tuple[str, str]]) -> KernelComparison:
    """Compare the running kernel with the installed images of its flavour.

    `running` and `build` are `uname -r` and `uname -v`, `images` are releases with the versions of their packages.
    Another flavour is another choice, not a newer kernel. If no image of its flavour is installed, the running kernel
    is not from a package: of a container's host, of a hypervisor, or built locally.
    """
    installed = tuple(images)
    own = flavour(running) if installed else None  # a container has no images, and needs no expression compiled
    found = [image for image in installed if own is not None and flavour(image[0]) == own]
    found.sort(key=lambda image: (version_key(image[1]), image[0]))
    current = _running_version(running, build, found)
    if current is not None:
        newer = [image for image in found if version_key(image[1]) > version_key(current)]
    else:
        newer = [image for image in found if _numbers(image[0]) > _numbers(running)]
        if not newer:  # for example of a container's host
            return KernelComparison(running or None, None, ())
    return KernelComparison(running, found[-1][0], tuple(newer)) if found else KernelComparison(running, None, ())


def image_release(package: str) -> str | None:
    """Return the release in the package name of a kernel image; None for metapackages and all others."""
    found = None if package.endswith(_SYMBOLS) else _IMAGE.fullmatch(package)
    return found[1] if found else None


def flavour(release: str) -> str | None:
    """Return the flavour without the number of its build; empty if there is none, None if this is not a release."""
    version = _VERSION.match(release)
    if version is None:
        return None
    parts = release[version.end() :].split("-")[1:]
    if parts and (_ABI if len(parts) > 1 else _NO_FLAVOUR).fullmatch(parts[0]):
        del parts[0]
    named = [part for part in parts if not _COUNTER_ALONE.fullmatch(part)]
    return "-".join(_COUNTER.sub("", part) for part in named)


def _running_version(running: str, build: str, images: Iterable[tuple[str, str]]) -> str | None:
    """Return the package version of the running kernel; None if its package is gone.

    Debian's security updates may keep the release: then only the build tells which version runs.
    """
    installed = next((version for release, version in images if release == running), None)
    found = _BUILD.search(build) if installed is not None else None
    return found["version"] if found else installed


def _numbers(release: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]{1,18}", release)]
