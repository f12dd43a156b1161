"""Reads dpkg's database from disk: package states, conffiles, the journal, diversions."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import apt_pkg

from agent.core.frozen import frozen
from agent.core.model.facts import PackageState
from agent.core.model.package import PackageId
from agent.core.packages.source_version import source_version
from agent.errors import HostError


def status_file() -> Path:
    """Return the path of dpkg's status file, from apt's configuration."""
    return Path(apt_pkg.config.find_file("Dir::State::status", "/var/lib/dpkg/status"))


def lock_files() -> tuple[str, str]:
    """Return dpkg's lock files: frontend lock, then database lock."""
    admin = status_file().parent
    return str(admin / "lock-frontend"), str(admin / "lock")


def journal() -> tuple[Path, ...]:
    """Return journal files that an interrupted dpkg left behind (names of digits only).

    Raises:
        HostError: the journal directory cannot be read.
    """
    try:
        return tuple(sorted(path for path in (status_file().parent / "updates").iterdir() if path.name.isdigit()))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}") from error


@frozen
class _Stanza:
    """The fields of one package in the status file that are used."""

    package: PackageId
    """`all` counts as the native architecture."""
    for_all: bool
    """Whether its architecture is `all`."""
    status: str
    version: str
    source: str
    conffiles: str


def _stanzas() -> Iterator[_Stanza]:
    """Read the status file, then the journal: entries that an interrupted dpkg has not merged yet are newer.

    Raises:
        HostError: a file cannot be read.
    """
    native = apt_pkg.config.find("APT::Architecture")
    keys = ("Package", "Architecture", "Status", "Version", "Source", "Conffiles")
    try:
        for path in (status_file(), *journal()):
            with path.open("rb") as file, apt_pkg.TagFile(file, True) as stanzas:  # file names are bytes
                for fields in stanzas:
                    if "Package" not in fields:
                        raise HostError(f"{path}: cannot be read: an entry has no package name")
                    package, architecture, status, version, source, conffiles = (
                        os.fsdecode(fields[key]) if key in fields else "" for key in keys
                    )
                    own = native if architecture in {"all", ""} else architecture
                    yield _Stanza(
                        package=PackageId(name=package, architecture=own), for_all=architecture == "all",
                        status=status, version=version, source=source, conffiles=conffiles,
                    )  # fmt: skip
    except (SystemError, UnicodeDecodeError, OSError) as error:
        raise HostError(f"{status_file()}: cannot be read: {error}") from error


def states() -> Mapping[PackageId, PackageState]:
    """Return every package's version and state; `all` counts as the native architecture.

    Raises:
        HostError: the status file cannot be read.
    """
    found: dict[PackageId, PackageState] = {}
    for stanza in _stanzas():
        words = stanza.status.split()
        state = words[-1] if words else "unknown"
        if "reinstreq" in words:
            state = "reinst-required"
        found[stanza.package] = PackageState(version=stanza.version or None, state=state)
    return found


@frozen
class Selection:
    """dpkg's three words about a package, and its version."""

    package: PackageId
    version: str
    want: str
    """"install", "hold", "deinstall", "purge"."""
    error: str
    """"ok" or "reinstreq"."""
    state: str
    """"installed", "half-installed", "config-files"."""


def selections(names: Collection[str]) -> tuple[Selection, ...]:
    """Return dpkg's words about the packages with these names, where it knows them.

    Raises:
        HostError: the status file cannot be read.
    """
    found: dict[PackageId, Selection] = {}
    for stanza in _stanzas():
        if stanza.package.name in names:
            want, error, state = [*stanza.status.split(), "", "", ""][:3]
            found[stanza.package] = Selection(
                package=stanza.package, version=stanza.version, want=want, error=error, state=state
            )
    return tuple(found.values())


def packages() -> tuple[PackageId, ...]:
    """Return every package that dpkg knows.

    Raises:
        HostError: the status file cannot be read.
    """
    # The journal may repeat packages.
    return tuple(dict.fromkeys(stanza.package for stanza in _stanzas()))


def sources() -> Mapping[PackageId, tuple[str, str]]:
    """Return source name and source version of every recorded package.

    Raises:
        HostError: the status file cannot be read.
    """
    found: dict[PackageId, tuple[str, str]] = {}
    for stanza in _stanzas():
        source, _, version = (stanza.source or stanza.package.name).partition(" ")
        found[stanza.package] = (source, version.strip("() ") or source_version(stanza.version))
    return found


def as_arguments(packages: Iterable[PackageId]) -> list[str]:
    """Format packages as dpkg arguments: packages for all architectures by name only.

    Raises:
        HostError: the status file cannot be read.
    """
    wanted = set(packages)
    found = {stanza.package: stanza for stanza in _stanzas() if stanza.package in wanted}
    return [package.name if stanza.for_all else str(package) for package, stanza in found.items()]


@frozen
class RecordedConffile:
    """One conffile that dpkg has on record for one package."""

    package: PackageId
    file: str
    md5: str | None
    """Checksum of the version that dpkg processed last; None before the first."""
    unpacked: bool
    """Whether dpkg has not processed the package's conffiles yet; it does so when it configures the package."""


def conffiles() -> tuple[RecordedConffile, ...]:
    """Return every recorded conffile, including obsolete ones and those of removed packages.

    Raises:
        HostError: the status file cannot be read.
    """
    found: dict[PackageId, list[RecordedConffile]] = {}
    for stanza in _stanzas():
        unpacked = stanza.status.endswith((" unpacked", " half-installed"))
        lines = stanza.conffiles.split("\n")
        found[stanza.package] = [
            RecordedConffile(package=stanza.package, file=file, md5=md5, unpacked=unpacked)
            for file, md5 in filter(None, map(_recorded, lines))
        ]
    return tuple(one for package in found.values() for one in package)


def _recorded(line: str) -> tuple[str, str | None] | None:
    """Parse a line: name, which may contain spaces, checksum, flags. None if it is no longer a conffile."""
    words = line.strip().split(" ")
    while words and words[-1] in {"obsolete", "remove-on-upgrade"}:
        if words.pop() == "remove-on-upgrade":
            return None
    file, md5 = " ".join(words[:-1]), words[-1] if words else ""
    return (file, None if md5 == "newconffile" else md5) if file else None


def diversions() -> Mapping[str, tuple[str, str]]:
    """Return diversions by path: the path diverted to, and the package exempt from it (":" if none).

    Raises:
        HostError: dpkg's list of diversions cannot be read.
    """
    path = status_file().parent / "diversions"
    try:
        lines = os.fsdecode(path.read_bytes()).split("\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror}") from error
    return {lines[at]: (lines[at + 1], lines[at + 2]) for at in range(0, len(lines) - 2, 3)}
