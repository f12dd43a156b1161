"""An edited copy of dpkg's status file for libapt, used if libapt refuses to work with the real one.

If a package must be reinstalled and no source offers its version or an allowed upgrade, libapt refuses every action
(apt-get: "needs to be reinstalled, but I can't find an archive for it"). dpkg does not: other packages can be upgraded.
So the copy shows the package as installed, or as not installed if its first unpacking was interrupted. Its real state
is reported from dpkg's database.
"""

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apt_pkg

from agent.core.pattern import lazy_pattern
from agent.errors import HostError
from agent.host.dpkg import database as dpkg_database

_NAMED = lazy_pattern(r"The package (\S+) needs to be reinstalled")
_STATE = re.compile(rb"(?m)^(Status: \S+) (?:reinstreq \S+|ok (?:unpacked|half-configured|half-installed))$")
_DESCRIBED = re.compile(rb"(?m)^Description:")
_NAME = re.compile(rb"(?m)^Package: (\S+)$")


def named_overlay(message: str) -> frozenset[str]:
    """Return the packages that must be reinstalled according to libapt's error message."""
    return frozenset(name.partition(":")[0] for name in _NAMED.findall(message))


@contextmanager
def write_overlay(packages: Collection[str], directory: Path) -> Iterator[None]:
    """Point libapt at a copy, in `directory`, that shows these packages as installed.

    Does not affect locks and dpkg: the real path is restored at the end of the block. A cache opened in the block keeps
    reading the copy.

    Raises:
        HostError: the status file cannot be read, or the copy cannot be written.
    """
    real = dpkg_database.status_file()
    copy = directory / "status"
    try:
        stanzas = real.read_bytes().split(b"\n\n")
        shown = (_shown(stanza, packages) for stanza in stanzas)
        copy.write_bytes(b"\n\n".join(stanza for stanza in shown if stanza is not None))
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}") from error
    changes = {"Dir::State::status": str(copy), "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": ""}
    saved = {key: apt_pkg.config.find(key) for key in changes}
    try:
        _configure(changes)
        yield
    finally:
        _configure(saved)


def new_directory() -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary directory for a copy; it is removed with the object."""
    return tempfile.TemporaryDirectory(prefix="maestro-agent-")


def _configure(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        apt_pkg.config.set(key, value)
    apt_pkg.init_system()  # libapt caches the path of the status file


def _shown(stanza: bytes, packages: Collection[str]) -> bytes | None:
    """Return the stanza to show to libapt; None for a stub, dpkg's record of a new package without its fields."""
    name = _NAME.search(stanza)
    if name is None or name[1].decode(errors="replace") not in packages:
        return stanza
    return _STATE.sub(rb"\1 ok installed", stanza) if _DESCRIBED.search(stanza) else None
