"""Downloads and verifies the packages of a plan, before any lock on dpkg is taken."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apt_pkg

from agent.core.model import Step
from agent.core.ports import Stop, Tell
from agent.errors import ChangedError, HostError, NoSpaceError, StoppedError
from agent.host import dpkg
from agent.host.apt.index import Index, clean, libapt_errors
from agent.host.apt.resolve import find_version, mark, marked
from agent.host.locks import Patience, hold
from agent.host.system import free_bytes

_MARGIN_BYTES = 32 * 1024 * 1024
"""Left free for logs and what maintainer scripts write."""
_CONFIGURATION_BYTES = 1024 * 1024
"""Room for files below /etc, where /usr is a file system of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of a download."""

    failed: dict[str, str]
    """Error by package name; a package that is not here lies verified in apt's archive."""
    downloaded_bytes: int
    archives: tuple[Path, ...]
    """Where each verified package lies, whoever put it there."""


class _Progress:
    """What libapt calls while it downloads."""

    current_bytes = 0
    total_bytes = 0
    current_items = 0
    total_items = 0

    def __init__(self, tell: Tell, stop: Stop) -> None:
        self._stop = stop
        self._tell = tell
        self._told = 0.0

    def start(self) -> None:
        """Begin; nothing to set up."""

    def stop(self) -> None:
        """End; nothing to tear down."""

    def media_change(self, _medium: str, _drive: str) -> bool:
        """Refuse to wait for somebody to change a disc."""
        return False

    def ims_hit(self, item: apt_pkg.AcquireItemDesc) -> None:
        """Take note of nothing: the result is read from the items afterwards."""

    fetch = done = fail = ims_hit

    def pulse(self, _owner: apt_pkg.Acquire) -> bool:
        """Tell how far it has come, once a second; return False, which cancels, once a stop was asked for."""
        if time.monotonic() - self._told >= 1:
            self._told = time.monotonic()
            done, total = self.current_bytes / 1e6, self.total_bytes / 1e6
            self._tell(f"downloading {self.current_items} of {self.total_items} packages, {done:.1f} of {total:.1f} MB")
        return not self._stop()


def mark_exactly(index: Index, steps: Sequence[Step], allowed: frozenset[int]) -> None:
    """Mark just these steps and make sure that libapt would do these and nothing else.

    Raises:
        ChangedError: the machine is not what the plan was made for.
    """
    depcache = index.depcache
    with apt_pkg.ActionGroup(depcache):
        for step in steps:
            # A reinstallation brings no other version, so any authenticated origin of this very one will do.
            files = frozenset(index.releases) if step.installed == step.candidate else allowed
            version = find_version(index, step.package, step.architecture, step.candidate, files & index.trusted)
            current = version.parent_pkg.current_ver if version is not None else None
            if version is None or (current.ver_str if current is not None else None) != step.installed:
                raise ChangedError(f"{step.package} {step.candidate} is no longer what the plan was made for")
            if step.installed == step.candidate:
                depcache.set_reinstall(version.parent_pkg, True)
            else:
                mark(index, version, with_dependencies=False)
    expected = {(step.package, step.architecture, step.candidate) for step in steps if step.installed != step.candidate}
    actual = {(v.parent_pkg.name, v.parent_pkg.architecture, v.ver_str) for v in marked(index)}
    if actual != expected or not index.intact():
        raise ChangedError("libapt would do something else than the plan says")


def fetch(
    index: Index,
    steps: Sequence[Step],
    allowed: frozenset[int],
    *,
    ledger: Path,
    patience: Patience,
    tell: Tell,
    stop: Stop,
) -> Fetched:
    """Download what the steps need into apt's archive; each file is verified by libapt, and listed in the ledger first.

    Raises:
        BusyError: another program held the archive to the end of `patience`.
        ChangedError: as `mark_exactly`.
        NoSpaceError: the plan does not fit.
        StoppedError: a stop was asked for.
        HostError: libapt refuses altogether, or the ledger cannot be written.
    """
    mark_exactly(index, steps, allowed)
    archives = apt_pkg.config.find_dir("Dir::Cache::archives")
    progress = _Progress(tell, stop)
    fetcher = apt_pkg.Acquire(progress)
    with hold(f"{archives}lock", patience), libapt_errors("the packages cannot be downloaded"):
        fetcher.get_lock(archives)  # makes the directory for partial downloads and gives it to apt's own user
        manager = apt_pkg.PackageManager(index.depcache)
        manager.get_archives(fetcher, index.sources, index.records)
        _require_space(index, fetcher, steps, archives)
        wanted = [item for item in fetcher.items if not item.complete]
        _enter(ledger, [os.path.basename(item.destfile) for item in wanted if item.destfile])
        with suppress(SystemError):  # what failed is read from the items, one by one
            fetcher.run()
        if reason := stop():
            raise StoppedError(f"{reason}: stopped while downloading; nothing was installed after that")
        failed = {_package(item): _error(item) for item in fetcher.items if not _usable(item)}
        fetched = [item for item in wanted if _usable(item)]
    return Fetched(
        failed=failed,
        downloaded_bytes=sum(item.filesize for item in fetched),
        archives=tuple(Path(item.destfile) for item in fetcher.items if _usable(item)),
    )


def discard(ledger: Path) -> None:
    """Remove the archives that this agent downloaded, unless apt is told to keep what it fetched.

    That is what the ledger lists, which a run that was killed leaves to the next one.
    """
    archives = apt_pkg.config.find_dir("Dir::Cache::archives")
    with suppress(OSError):
        # A power cut may have left anything in it.
        names = [name for name in ledger.read_text(errors="replace").splitlines() if name.isprintable() and name]
        if not apt_pkg.config.find_b("APT::Keep-Downloaded-Packages", False):
            for name in names:
                for directory in (archives, f"{archives}partial"):
                    Path(directory, os.path.basename(name)).unlink(missing_ok=True)
        ledger.unlink()


def _enter(ledger: Path, names: Sequence[str]) -> None:
    """Add the names of archives that are about to be downloaded, so that even a power cut leaves none unknown."""
    if not names:
        return
    try:
        with ledger.open("a") as file:
            file.writelines(f"{name}\n" for name in names)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise HostError(f"{ledger}: cannot be written: {error.strerror}") from error


def _usable(item: apt_pkg.AcquireItem) -> bool:
    return item.complete and item.status == item.STAT_DONE and item.is_trusted


def _error(item: apt_pkg.AcquireItem) -> str:
    if item.complete and not item.is_trusted:
        return "the archive it comes from is not authenticated"
    return clean(item.error_text) or "not downloaded"


def _package(item: apt_pkg.AcquireItem) -> str:
    """Return the package name in a pool file's name (name_version_architecture.deb)."""
    return os.path.basename(item.destfile or item.desc_uri).split("_")[0]


def _require_space(index: Index, fetcher: apt_pkg.Acquire, steps: Sequence[Step], archives: str) -> None:
    """Refuse what would fill a file system: with archives, unpacked files, dpkg's database, or a kernel in /boot.

    Raises:
        NoSpaceError: with all packages of the plan, or where /boot alone is too small, with its kernels.
    """
    largest = max((version.installed_size for version in marked(index)), default=0)
    database = dpkg.status_file()
    needs = {
        archives: fetcher.fetch_needed,
        "/usr": max(index.depcache.usr_size, 0) + largest,
        "/": _CONFIGURATION_BYTES,
        str(database.parent): 2 * database.stat().st_size,
    }
    _require(needs, tuple(step.package for step in steps))
    kernels = tuple(step.package for step in steps if step.package.startswith("linux-image"))
    if kernels:
        count = sum(step.new for step in steps if step.package in kernels)  # one in place of another needs room, too
        _require({**needs, "/boot": _kernel_bytes() * max(count, 1)}, kernels)


def _require(needs: Mapping[str, int], packages: tuple[str, ...]) -> None:
    """Add up what is needed on each file system and compare it with what is free there."""
    by_device: dict[int, tuple[str, int]] = {}
    for directory, need in needs.items():
        with suppress(OSError):
            device = os.stat(directory).st_dev
            first, so_far = by_device.get(device, (directory, 0))
            by_device[device] = (first, so_far + need)
    for directory, need in by_device.values():
        free = free_bytes(directory)
        if need and free < need + _MARGIN_BYTES:
            raise NoSpaceError(
                f"not enough space for {directory}: {need / 1e6:.0f} MB and {_MARGIN_BYTES / 1e6:.0f} MB to spare "
                f"are needed, {free / 1e6:.0f} MB are free; make room and run it again",
                packages,
            )


def _kernel_bytes() -> int:
    """Return what a further kernel takes in /boot: the largest of each kind of file that is there now."""
    kinds = ("vmlinuz-*", "initrd.img-*", "System.map-*", "config-*")
    with suppress(OSError):
        return sum(max((file.stat().st_size for file in Path("/boot").glob(kind)), default=0) for kind in kinds)
    return 0
