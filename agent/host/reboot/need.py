"""Whether a reboot is required: packages ask for one, or a newer kernel than the running one is installed.

The one answer for `status`, `explain`, `check`, runs, reports and the daemon. Plain Debian sets no flag for a kernel.
Light: imported by `status`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone

from agent.core.kernel_release import IMAGE_PREFIXES, KernelComparison, compare_kernels, image_release
from agent.host.container import in_container
from agent.host.dpkg.installed import ADMIN_DIRECTORY, InstalledPackage, find_installed
from agent.host.reboot.flag import LATEST, read_flag
from agent.state.views import RebootView

_IMAGE_FILE = "/boot/vmlinu"
"""What the paths of kernel images start with, compressed (z, x) or not."""


class RebootNeed:
    """Why a reboot is required, or that it is not."""

    def __init__(
        self,
        *,
        flag: tuple[tuple[str, ...], float] | None,
        kernel: KernelComparison,
        images: Mapping[tuple[str, str], InstalledPackage] | None = None,
        in_container: bool = False,
        gone: tuple[str, ...] = (),
    ) -> None:
        """Take the flag (`agent.host.reboot.flag`), the kernels, and their packages by release and version."""
        newer = [images[image] for image in kernel.newer] if images else []
        self.kernel = kernel
        self.in_container = in_container
        """Whether the kernel is the host's."""
        self.flagged = flag is not None
        self.flag_packages = flag[0] if flag else ()
        self.gone = gone
        """Packages of the flag that are no longer installed. The flag holds until the next boot nevertheless."""
        self._packages = {*self.flag_packages, *(package.name for package in newer[-1:])}
        self._since = [flag[1]] if flag else []
        self._since += [package.installed_at for package in newer if package.installed_at is not None]

    @property
    def view(self) -> RebootView:
        """The `reboot` of documents; `since` is the earlier of the flag and the first newer kernel."""
        since = datetime.fromtimestamp(min(*self._since, LATEST), timezone.utc) if self._since else None
        required = self.flagged or bool(self.kernel.newer)
        return RebootView(sorted(self._packages), since, required=required, removed=self.gone)


def read_reboot_need(root: str = "/") -> RebootNeed:
    """Return whether a reboot is required now.

    Raises:
        OSError: the flag, or without a flag dpkg's database, cannot be read.
    """
    flag = read_flag(root)
    names = os.uname()
    asking = {name: name.partition(":")[0] for name in (flag[0] if flag else ())}
    try:
        admin_directory = os.path.join(root, ADMIN_DIRECTORY.lstrip("/"))
        packages, there = find_installed(IMAGE_PREFIXES, tuple(asking.values()), admin_directory)
    except OSError as error:
        if flag is None and not isinstance(error, FileNotFoundError):
            raise
        return RebootNeed(flag=flag, kernel=KernelComparison(names.release, None, ()))
    contained = in_container(root)
    images = {} if contained else dict(_images(packages))
    return RebootNeed(
        flag=flag,
        kernel=_compare(names, images, root),
        images=images,
        in_container=contained,
        gone=tuple(name for name, package in asking.items() if package not in there),
    )


def _compare(names: os.uname_result, images: Mapping[tuple[str, str], InstalledPackage], root: str) -> KernelComparison:
    """Compare the kernels that can be booted; one whose image was deleted from /boot cannot."""
    kernel = compare_kernels(names.release, names.version, images)
    gone = {image for image in kernel.newer if _is_gone(images[image], root)}
    if gone:
        kernel = compare_kernels(names.release, names.version, [image for image in images if image not in gone])
        kernel.without_image = tuple(sorted(images[image].name for image in gone))
    return kernel


def _is_gone(package: InstalledPackage, root: str) -> bool:
    """Whether the image of a kernel package was deleted; not if /boot has no image at all, as if it is not mounted."""
    files = [os.path.join(root, path.lstrip("/")) for path in package.files(_IMAGE_FILE)]
    if not files or any(map(os.path.exists, files)):
        return False
    try:
        found = os.listdir(os.path.join(root, os.path.dirname(_IMAGE_FILE).lstrip("/")))
    except OSError:
        return False
    return any(name.startswith(os.path.basename(_IMAGE_FILE)) for name in found)


def _images(packages: Iterable[InstalledPackage]) -> Iterator[tuple[tuple[str, str], InstalledPackage]]:
    for package in packages:
        release = image_release(package.name)
        if release is not None:
            yield (release, package.version), package
