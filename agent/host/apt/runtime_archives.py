"""Archives of the container runtime, kept for a rollback, behind the port `agent.core.engine_ports.RuntimeArchives`.

The archives of before and after are all on the disk before anything changes, so that the way back needs neither a
network nor a repository that still offers the old version.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import apt_pkg

from agent.core.model.package import PackageId
from agent.core.model.transaction import TransactionReport
from agent.core.packages.verify import HEALTHY_STATES, has_files
from agent.core.ports import Archive
from agent.errors import HostError
from agent.host.apt.archive_checks import damage, installed_bytes, signed_checksums
from agent.host.apt.archives import archive_paths
from agent.host.apt.disk_space import require_free
from agent.host.dpkg import database as dpkg_database
from agent.host.process.run import run_program

_DOWNLOAD_S = 240.0
"""For one archive: below the 5 min after which a silent job counts as stalled."""
_EXTRACT_S = 60.0
_EXTRACT = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --wildcards "./usr/*bin/$3"'
_UNFINISHED = frozenset({"unpacked", "half-configured"})
_NEW = "new-"
"""Prefix of the directory in which an archive is until it is whole."""
_DOWNLOAD = 'cd "$1" && exec apt-get -q -q download "$2"'
"""apt verifies the archive by the signed lists, and refuses one of an unauthenticated source."""


class Dpkg(Protocol):
    """The methods of `Transactions` that are used here."""

    def install_files(self, files: Sequence[Path], remove: Sequence[str], *, unpack: bool = False) -> TransactionReport:
        """Remove packages, then install archives, or only unpack them."""

    def repair(self, packages: Sequence[PackageId] | None) -> TransactionReport:
        """Configure packages that are unfinished, all (None) or these."""

    def hold(self, packages: Sequence[str]) -> TransactionReport:
        """Put packages on hold."""


class AptRuntimeArchives:
    """Kept archives in one directory, mode 0700."""

    def __init__(self, directory: Path, dpkg: Dpkg, *, alive: Callable[[], None] = lambda: None) -> None:
        """Take the directory, what runs dpkg, and a keep-alive for each download."""
        self._directory = directory
        self._dpkg = dpkg
        self._alive = alive
        self._unfinished_before: set[PackageId] = set()
        """Packages that were not configured before `unpack`."""

    def keep(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the archives of these versions by package name; return file name by package.

        One that is kept already is checked, and fetched again if it is damaged.

        Raises:
            HostError: one is neither offered nor in apt's archive directory; the message names it.
        """
        if not versions:
            return {}
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            checksums = signed_checksums(versions)
            return {
                package: self._keep(package, version, checksums.get(package, frozenset()))
                for package, version in versions.items()
            }
        except OSError as error:
            raise HostError(f"{error.filename or self._directory}: {error.strerror}") from error

    def install(self, files: Sequence[str], remove: Sequence[str]) -> str:
        """Remove packages, then install kept archives, downgrades included; return dpkg's error, empty if none."""
        return _error(self._dpkg.install_files([self._directory / name for name in files], remove))

    def unpack(self, files: Sequence[str], remove: Sequence[str]) -> str:
        """Remove packages, then replace the files of others, configure nothing; return dpkg's error."""
        self._unfinished_before = set(_unfinished())
        return _error(self._dpkg.install_files([self._directory / name for name in files], remove, unpack=True))

    def configure(self) -> str:
        """Configure what `unpack` left, also what it had to deconfigure; return dpkg's error, empty if none."""
        left = [one for one in _unfinished() if one not in self._unfinished_before]
        return _error(self._dpkg.repair(left)) if left else ""

    @contextmanager
    def program(self, file: str, name: str) -> Iterator[str]:
        """Have a program of a kept archive in a temporary file; yields its path, empty if it cannot be run there."""
        self._alive()
        try:
            place = TemporaryDirectory(prefix=_NEW, dir=self._directory, ignore_cleanup_errors=True)
        except OSError:  # the disk is full
            yield ""
            return
        with place as new:
            words = ("sh", "-c", _EXTRACT, "sh", str(self._directory / file), new, name)
            run_program(words, limit_s=_EXTRACT_S, alive=self._alive)
            found = next((str(path) for path in Path(new).glob(f"**/{name}")), "")
            runs = found and run_program((found, "--version"), limit_s=_EXTRACT_S).code == 0
            yield found if runs else ""

    def require_room(self) -> None:
        """Check that the largest kept archive can be unpacked; NoSpaceError says what is missing."""
        require_free({"/usr": max((installed_bytes(path) for path in self._directory.glob("*.deb")), default=0)})

    def forget(self) -> None:
        """Remove all kept archives; one that cannot be removed is no reason to fail."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def hold(self, packages: Sequence[str]) -> Sequence[str]:
        """Put those of these packages that are installed on hold again; return those on which it is not in force."""
        missing = self._not_held(packages)
        if missing:
            self._dpkg.hold(missing)
        return self._not_held(missing)

    def finish(self) -> None:
        """Have dpkg finish what an interrupted run left; its result is read from `states`."""
        self._dpkg.repair(None)

    def states(self) -> Mapping[str, tuple[str, bool]]:
        """Return by name the version of each package with files, and whether dpkg's state is "installed"."""
        found = {}
        native = apt_pkg.config.find("APT::Architecture")
        for package, state in dpkg_database.states().items():
            if has_files(state) and state.version is not None and package.architecture == native:
                found[package.name] = (state.version, state.state in HEALTHY_STATES)
        return found

    def _not_held(self, packages: Sequence[str]) -> Sequence[str]:
        """Return the packages with files that are not on hold, of the native architecture."""
        native, states = apt_pkg.config.find("APT::Architecture"), self.states()
        found = dpkg_database.selections(packages)
        held = {one.package.name for one in found if one.want == "hold" and one.package.architecture == native}
        return [name for name in packages if name in states and name not in held]

    def _keep(self, package: str, version: str, checksums: frozenset[str]) -> str:
        self._alive()
        usual = Archive(package=package, architecture=apt_pkg.config.find("APT::Architecture"), version=version)
        paths = archive_paths(usual)
        for kept in (self._directory / path.name for path in paths):
            if kept.exists():
                if not damage(kept, package, version, checksums):
                    return kept.name
                kept.unlink()
        with TemporaryDirectory(prefix=_NEW, dir=self._directory) as new:
            fetched, problem = self._fetch(Path(new), usual, paths)
            if fetched is None or (problem := damage(fetched, package, version, checksums)):
                raise HostError(f"{package} {version} cannot be kept: {problem}")
            _sync(fetched)
            fetched.rename(self._directory / fetched.name)
        _sync(self._directory)
        return fetched.name

    def _fetch(self, directory: Path, archive: Archive, usual: Sequence[Path]) -> tuple[Path | None, str]:
        """Return the archive in a directory: downloaded, or else copied from apt's; with None why there is none."""
        words = ("sh", "-c", _DOWNLOAD, "sh", str(directory), f"{archive.package}={archive.version}")
        done = run_program(words, limit_s=_DOWNLOAD_S)
        for path in usual:
            if (directory / path.name).exists():
                return directory / path.name, ""
        for path in usual:  # apt has it from the installation, though no repository offers it any more
            with suppress(FileNotFoundError):
                return Path(shutil.copyfile(path, directory / path.name)), ""
        return None, done.output or "no source offers it"


def _unfinished() -> list[PackageId]:
    return [package for package, state in dpkg_database.states().items() if state.state in _UNFINISHED]


def _error(report: TransactionReport) -> str:
    return report.cause or "; ".join(report.errors.values()) or report.fatal


def _sync(path: Path) -> None:
    """Have a file, or the names in a directory, on the disk before packages change."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
