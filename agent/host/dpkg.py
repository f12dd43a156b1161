"""dpkg's own database as it lies on disk: the state of each package, its journal, and conffiles set aside."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import apt_pkg

from agent.core.model import PackageState
from agent.errors import HostError


def status_file() -> Path:
    """Return dpkg's status file as apt is configured to find it."""
    return Path(apt_pkg.config.find_file("Dir::State::status", "/var/lib/dpkg/status"))


def lock_files() -> tuple[str, str]:
    """Return dpkg's two lock files: the frontend's, then the database's own."""
    admin = status_file().parent
    return str(admin / "lock-frontend"), str(admin / "lock")


def journal() -> tuple[Path, ...]:
    """Return journal files that an interrupted dpkg left behind (named by digits alone)."""
    try:
        return tuple(sorted(path for path in (status_file().parent / "updates").iterdir() if path.name.isdigit()))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}") from error


def states() -> Mapping[str, PackageState]:
    """Read every package's version and state, by `name:architecture` (`all` counts as the native one).

    Raises:
        HostError: the status file cannot be read.
    """
    native = apt_pkg.config.find("APT::Architecture")
    found: dict[str, PackageState] = {}
    try:
        # The journal holds what an interrupted dpkg has not merged yet; it is newer than the status file.
        for path in (status_file(), *journal()):
            with path.open("rb") as file, apt_pkg.TagFile(file) as stanzas:
                for stanza in stanzas:
                    words = stanza.get("Status", "").split()
                    architecture = stanza.get("Architecture", native)
                    name = f"{stanza['Package']}:{native if architecture == 'all' else architecture}"
                    state = words[-1] if words else "unknown"
                    if "reinstreq" in words:
                        state = "reinst-required"
                    found[name] = PackageState(version=stanza.get("Version", "") or None, state=state)
    except (SystemError, OSError, KeyError, UnicodeDecodeError) as error:
        raise HostError(f"{status_file()}: cannot be read: {error}") from error
    return found


def names() -> tuple[tuple[str, str], ...]:
    """Return name and architecture (never `all`) of every package in the status file.

    Raises:
        HostError: it cannot be read.
    """
    native = apt_pkg.config.find("APT::Architecture")
    found = []
    try:
        with status_file().open("rb") as file, apt_pkg.TagFile(file) as stanzas:
            for stanza in stanzas:
                architecture = stanza.get("Architecture", native)
                found.append((stanza["Package"], native if architecture == "all" else architecture))
    except (SystemError, OSError, KeyError, UnicodeDecodeError) as error:
        raise HostError(f"{status_file()}: cannot be read: {error}") from error
    return tuple(found)


def as_arguments(names: Iterable[str]) -> list[str]:
    """Write packages (`name:architecture`) as dpkg wants them: those for all architectures go by their name alone."""
    wanted = set(names)
    native = apt_pkg.config.find("APT::Architecture")
    found = []
    with status_file().open("rb") as file, apt_pkg.TagFile(file) as stanzas:
        for stanza in stanzas:
            package, architecture = stanza["Package"], stanza.get("Architecture", native)
            if architecture == "all" and f"{package}:{native}" in wanted:
                found.append(package)
            elif f"{package}:{architecture}" in wanted:
                found.append(f"{package}:{architecture}")
    return found


def conffiles_of(packages: Iterable[str]) -> tuple[str, ...]:
    """Return the configuration files that dpkg has on record for these packages (`name:architecture`)."""
    wanted = set(packages)
    native = apt_pkg.config.find("APT::Architecture")
    found = []
    with status_file().open("rb") as file, apt_pkg.TagFile(file, True) as stanzas:  # names of files are bytes
        for stanza in stanzas:
            fields = {
                key: os.fsdecode(stanza[key]) for key in ("Package", "Architecture", "Conffiles") if key in stanza
            }
            architecture = fields.get("Architecture", native)
            if f"{fields['Package']}:{native if architecture == 'all' else architecture}" in wanted:
                lines = fields.get("Conffiles", "").splitlines()
                # name, checksum, and perhaps the word obsolete; a name may hold spaces
                found += [line.strip().removesuffix(" obsolete").rpartition(" ")[0] for line in lines if line.strip()]
    return tuple(sorted(found))


def set_aside(conffiles: Iterable[str], since: float) -> tuple[str, ...]:
    """Return those whose new version dpkg laid beside the local one (`.dpkg-dist`) at or after a Unix time."""
    found = []
    for name in conffiles:
        try:
            if Path(f"{name}.dpkg-dist").stat().st_ctime >= since:
                found.append(name)
        except OSError:
            continue
    return tuple(found)
