"""Decides which obsolete kernels are removed. Pure.

libapt's KernelAutoRemoveHelper protects the running and the newest kernel, and the second newest if both are the same.
The running and the newest kernel are protected here again, however apt is configured.
"""

import re
from collections.abc import Callable, Iterable

from agent.core.kernel_release import image_release
from agent.core.model.kernels import AutoRemovable, KernelFacts, ObsoleteKernels, Removal
from agent.core.model.package import PackageId
from agent.core.model.reasons import NO_REASON, Reason, ReasonCode
from agent.core.packages.removals import keep_needed, own_reason
from agent.core.pattern import PATTERN_ERRORS, lazy_pattern

_RELEASE = r"[0-9]+\.[0-9]+\.[0-9]+[^ ]*"
_BEHIND = lazy_pattern(r"(?:-(?:common(?:-[a-z0-9]+)*|unsigned|signed|dbg|dbgsym))+$")
"""Suffixes after the release in package names: headers shared by flavours, images by their signature, symbols."""


def obsolete_kernels(
    kernels: KernelFacts, planned: Iterable[str], veto: Callable[[PackageId], Reason | None]
) -> ObsoleteKernels:
    """Split the kernel packages that nothing needs into those to remove and those to keep.

    `planned` are the names of packages that the plan installs or upgrades. `veto` returns why the policy keeps a
    package; None if it does not.
    """
    found = [one for one in kernels.unneeded if release_of(one.package, kernels.patterns) is not None]
    guards = _ProtectedKernels(kernels, frozenset(planned))
    reasons = {one.id: own_reason(one) or veto(one.id) or guards.reason(one.package) for one in found}
    going = {package for package, reason in reasons.items() if reason is None}
    reasons.update(keep_needed(going, kernels.needs))
    ordered = sorted(found, key=lambda one: one.id)
    return ObsoleteKernels(
        remove=tuple(
            _removal(one, Reason(code=ReasonCode.SUPERSEDED, values=(kernels.images[-1].release,)))
            for one in ordered
            if one.id in going
        ),
        kept=tuple(_removal(one, reasons[one.id] or NO_REASON) for one in ordered if one.id not in going),
    )


def release_of(package: str, patterns: Iterable[str]) -> str | None:
    """Return the release in the name of a versioned kernel package; None for any other name."""
    for pattern in patterns:
        try:
            found = re.fullmatch(rf"(?:{pattern})-(?P<release>{_RELEASE})", package)
        except PATTERN_ERRORS:  # apt uses POSIX expressions: one that Python cannot compile matches nothing
            continue
        if found:
            return found["release"]
    return None


def is_part_of(package_release: str, release: str) -> bool:
    """Whether a package with this release in its name belongs to a kernel, or to all of its flavours.

    Packages that flavours share have no flavour in their name (linux-headers-6.8.0-31, linux-headers-6.1.0-1-common).
    """
    base = _BEHIND.sub("", package_release)
    return release == base or release.startswith(f"{base}-")


class _ProtectedKernels:
    """Kernels that are kept although apt would remove them."""

    def __init__(self, kernels: KernelFacts, planned: frozenset[str]) -> None:
        self._kernels = kernels
        self._planned = planned
        self._known = any(image.release == kernels.running for image in kernels.images)
        newest = kernels.images[-1].version if kernels.images else None
        self._newest = [image.release for image in kernels.images if image.version == newest]
        self._coming = [release for package in planned if (release := image_release(package)) is not None]

    def reason(self, package: str) -> Reason | None:
        """Return why a kernel package is kept; None if it may be removed."""
        if package in self._planned:
            return Reason(code=ReasonCode.UPGRADED_BY_PLAN)
        if self._is_of(package, [self._kernels.running]):
            return Reason(code=ReasonCode.RUNNING_KERNEL)
        if not self._known:
            # The kernel of a container's host, a local build, or one from an external boot loader: it is not known
            # which installed kernel the next boot uses, nor whether its modules are in use.
            return Reason(code=ReasonCode.RUNNING_KERNEL_UNKNOWN, values=(self._kernels.running,))
        if self._is_of(package, self._newest):
            return Reason(code=ReasonCode.NEWEST_KERNEL)
        return Reason(code=ReasonCode.PLANNED_KERNEL) if self._is_of(package, self._coming) else None

    def _is_of(self, package: str, releases: Iterable[str]) -> bool:
        own = image_release(package) or release_of(package, self._kernels.patterns) or ""
        return any(package.endswith(f"-{release}") or is_part_of(own, release) for release in releases)


def _removal(one: AutoRemovable, cause: Reason) -> Removal:
    return Removal(package=one.package, architecture=one.architecture, version=one.version, cause=cause)
