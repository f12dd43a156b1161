"""Package archives in apt's archive directory."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import apt_pkg

from agent.core.model.plan import Step
from agent.core.ports import Archive


def archive_paths(archive: Archive) -> tuple[Path, Path]:
    """Return the possible paths of an archive (pkgAcqArchive): architecture-specific, then `all`.

    libapt takes the extension from the file's name in the repository: an archive with another one has a `file`.
    """
    directory = Path(apt_pkg.config.find_dir("Dir::Cache::archives"))
    if archive.file:
        own = directory / os.path.basename(archive.file)
        return own, own
    stem = f"{apt_pkg.quote_string(archive.package, '_:')}_{apt_pkg.quote_string(archive.version, '_:')}"
    return directory / f"{stem}_{apt_pkg.quote_string(archive.architecture, '_:.')}.deb", directory / f"{stem}_all.deb"


def not_downloaded(steps: Sequence[Step]) -> tuple[Archive, ...]:
    """Return the steps' archives that are not in apt's archive directory yet."""
    wanted = (Archive(package=s.package, architecture=s.architecture, version=s.candidate) for s in steps)
    return tuple(archive for archive in wanted if not any(path.exists() for path in archive_paths(archive)))


def discard_archives(archives: Iterable[Archive]) -> None:
    """Remove archives that the agent downloaded, unless apt is configured to keep downloads."""
    _discard(path for archive in archives for path in archive_paths(archive))


def remove_listed_downloads(download_log: Path) -> None:
    """Remove the archives that the download log lists, including those of a run that was killed."""
    archives = apt_pkg.config.find_dir("Dir::Cache::archives")
    with suppress(OSError):
        lines = download_log.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        names = [name for name in lines if name and all(map(_is_of_a_name, name))]
        _discard(Path(archives, os.path.basename(name)) for name in names)
        download_log.unlink()


def _is_of_a_name(letter: str) -> bool:
    """Whether a letter may be of a file name; after a power cut the log may hold garbage."""
    return letter.isprintable() or "\udc80" <= letter <= "\udcff"  # a byte that is not UTF-8 (os.fsdecode)


def _discard(files: Iterable[Path]) -> None:
    """Remove complete and partial archives, unless apt is configured to keep downloads."""
    if apt_pkg.config.find_b("APT::Keep-Downloaded-Packages", False):
        return
    for file in files:
        for path in (file, file.parent / "partial" / file.name):
            path.unlink(missing_ok=True)
