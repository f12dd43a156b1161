"""A copy of dpkg's status file for libapt's eyes, for where the real one would make it refuse everything.

A package that dpkg wants reinstalled, while no source offers its present version or a way forward that may be
taken, stops libapt altogether (apt-get: "needs to be reinstalled, but I can't find an archive for it"). dpkg
itself has no such scruple: other packages can be upgraded beside it. So libapt is shown the package as
installed, or as not installed where dpkg was cut off while it unpacked it for the first time, and what is wrong
with it is told from dpkg's own database.
"""

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import apt_pkg

from agent.errors import HostError
from agent.host.dpkg import database as dpkg_database

_NAMED = re.compile(r"The package (\S+) needs to be reinstalled")
_STATE = re.compile(rb"(?m)^(Status: \S+) (?:reinstreq \S+|ok (?:unpacked|half-configured|half-installed))$")
_DESCRIBED = re.compile(rb"(?m)^Description:")
_NAME = re.compile(rb"(?m)^Package: (\S+)$")


def named_overlay(message: str) -> frozenset[str]:
    """Return the packages that one of libapt's errors says need to be reinstalled."""
    return frozenset(name.partition(":")[0] for name in _NAMED.findall(message))


@contextmanager
def write_overlay(packages: Collection[str], directory: Path) -> Iterator[None]:
    """Let libapt open a cache that shows these packages as installed; the copy stays in `directory`.

    Locks and dpkg itself are not concerned: the real place is configured again when the block ends, while a
    cache opened inside goes on reading the copy.

    Raises:
        HostError: the status file cannot be read, or the copy not written.
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
    """Return a directory for a copy, which goes with the object."""
    return tempfile.TemporaryDirectory(prefix="maestro-agent-")


def _configure(values: Mapping[str, str]) -> None:
    for key, value in values.items():
        apt_pkg.config.set(key, value)
    apt_pkg.init_system()  # libapt keeps the place of the status file that it found first


def _shown(stanza: bytes, packages: Collection[str]) -> bytes | None:
    """Return a stanza as libapt is to see it; None for a stub, which is what dpkg has of a package that was new."""
    name = _NAME.search(stanza)
    if name is None or name[1].decode(errors="replace") not in packages:
        return stanza
    return _STATE.sub(rb"\1 ok installed", stanza) if _DESCRIBED.search(stanza) else None
