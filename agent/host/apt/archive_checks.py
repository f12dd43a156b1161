"""Whether a package archive on the disk is whole and the expected one."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

import apt_pkg

from agent.errors import HostError
from agent.host.apt.cache import PackageCache
from agent.host.apt.candidates import signed_sha256
from agent.host.apt.errors import libapt_errors
from agent.host.apt.marks import find_version
from agent.host.process.run import run_program

_READ_S = 120.0
_READ_ALL = 'dpkg-deb --fsys-tarfile "$1" >/dev/null'
"""Decompresses every file: an archive that was cut off, or whose data is damaged, fails."""
_FIELDS = "${Package} ${Version}"


def signed_checksums(versions: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    """Return by package the SHA-256 sums that authenticated sources give for its version; empty if none offers it."""
    try:
        return _signed_checksums(versions)
    except HostError:  # damaged lists are no reason to refuse an archive that is there
        return {}


@libapt_errors("apt cannot read its packages")
def _signed_checksums(versions: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    cache, found = PackageCache(), {}
    native = apt_pkg.config.find("APT::Architecture")
    for package, text in versions.items():
        version = find_version(cache, package, native, text, cache.trusted)
        if version is not None:
            found[package] = signed_sha256(cache, version)
    return found


def damage(path: Path, package: str, version: str, checksums: Collection[str]) -> str:
    """Return what is wrong with an archive; empty if it is whole. `checksums`: the accepted ones, empty if unknown."""
    if checksums:
        return "" if _sha256(path) in checksums else "its checksum is not the one in the signed package lists"
    done = run_program(("dpkg-deb", "--show", f"--showformat={_FIELDS}", str(path)), limit_s=_READ_S)
    if done.code == 0 and done.output != f"{package} {version}":
        return f"it holds {done.output}"
    if done.code == 0:
        done = run_program(("sh", "-c", _READ_ALL, "sh", str(path)), limit_s=_READ_S)
    return "" if done.code == 0 else done.output or f"dpkg-deb: exit code {done.code}"


def installed_bytes(path: Path) -> int:
    """Return the size of an archive's files (deb-control(5), Installed-Size, in KiB); 0 if it does not say so."""
    shown = run_program(("dpkg-deb", "--field", str(path), "Installed-Size"), limit_s=_READ_S).output
    return int(shown) * 1024 if shown.isdecimal() else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
