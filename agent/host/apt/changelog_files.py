"""Reads a package's changelog from its archive or from the installed file, no further than necessary.

Untrusted input: every size is bounded, and no symlink is followed out of /usr/share/doc.
"""

import codecs
import io
import os
import posixpath
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

import apt_inst
import apt_pkg

from agent.core.frozen import frozen
from agent.core.packages.changelog import collect_findings
from agent.core.packages.cves import ChangelogFindings
from agent.state.safe_open import open_regular

_DOC = "usr/share/doc"
_NAMES = ("changelog.Debian.gz", "changelog.gz", "changelog.Debian", "changelog")
"""Names of a Debian changelog (Debian Policy, 12.7). In a non-native package "changelog" is upstream's."""
_NATIVE_FIRST = ("changelog.gz", "changelog.Debian.gz", "changelog", "changelog.Debian")
_COMPRESSED = 2
"""Number of these names that are tried in an archive: debhelper compresses every changelog."""
_CHUNK = 64 * 1024
_MAX_LINE = 1024 * 1024
_MAX_TEXT = 32 * 1024 * 1024
_MAX_LINKS = 3
_GZIP = b"\x1f\x8b"


@frozen
class ChangelogQuery:
    """Selects the changelog entries between two versions of a source package."""

    package: str
    source: str
    installed: str
    """The installed version of the source."""
    candidate: str
    """The candidate's version of the source."""

    @property
    def names(self) -> tuple[str, ...]:
        """Possible file names of the changelog, most likely first."""
        return _names(self.candidate)


Archives = Mapping[tuple[str, str, str], str]
"""Paths of verified archives by package, source and source version."""


def installed_lines(package: str, version: str) -> Iterator[str]:
    """Yield the lines of a package's installed changelog, if there is one; `version` is that of its source."""
    return _installed_lines(package, _names(version))


def in_archives(query: ChangelogQuery, archives: Archives) -> ChangelogFindings | None:
    """Read from the package's archive, or from the archive that its documentation directory links to.

    Raises:
        LookupError: the changelog is in an archive that is not in `archives`.
        OSError, SystemError: the archive cannot be read.
    """
    package = query.package
    for _ in range(_MAX_LINKS):
        path = archives.get((package, query.source, query.candidate))
        if path is None:
            there = installed(query, package)
            if there is None:
                raise LookupError(package)
            return there
        found = _in_archive(path, package, query.names)
        if isinstance(found, bytes):
            return _collect(query, lines(io.BytesIO(found).read))
        if found is None:
            return None
        package = found
    return None


def installed(query: ChangelogQuery, package: str | None = None) -> ChangelogFindings | None:
    """Read from the installed changelog of the query's package, or of `package`."""
    return _collect(query, _installed_lines(package or query.package, query.names))


def lines(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield the lines of a text, gzipped or not, decompressing only as much as is consumed.

    Ends early without an error if the text is damaged or too large. Invalid UTF-8 is replaced: all parsed keywords
    are ASCII.
    """
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    total = 0
    for chunk in _decompressed(read):
        total += len(chunk)
        pending += decode(chunk)
        *whole, pending = pending.split("\n")
        yield from whole
        if len(pending) > _MAX_LINE:
            yield pending
            pending = ""
        if total > _MAX_TEXT:
            return
    yield pending


def _names(version: str) -> tuple[str, ...]:
    return _NAMES if "-" in version else _NATIVE_FIRST


def _collect(query: ChangelogQuery, text: Iterator[str]) -> ChangelogFindings | None:
    return collect_findings(
        text,
        installed=query.installed,
        candidate=query.candidate,
        compare=apt_pkg.version_compare,
        before=lambda: _installed_lines(query.package, query.names),
    )


def _installed_lines(package: str, names: tuple[str, ...]) -> Iterator[str]:
    base = os.path.realpath(f"/{_DOC}")
    for name in names:
        path = os.path.realpath(os.path.join(base, package, name))
        if os.path.dirname(os.path.dirname(path)) == base:
            with suppress(OSError), open(path, "rb", opener=_open_nofollow) as file:
                yield from lines(file.read)
                return


def _decompressed(read: Callable[[int], bytes]) -> Iterator[bytes]:
    packed = read(_CHUNK)
    if not packed.startswith(_GZIP):
        while packed:
            yield packed
            packed = read(_CHUNK)
        return
    inflate = zlib.decompressobj(wbits=31)
    with suppress(zlib.error):
        while packed and not inflate.eof:
            yield inflate.decompress(packed, _CHUNK)
            packed = inflate.unconsumed_tail or read(_CHUNK)


def _in_archive(path: str, package: str, names: tuple[str, ...]) -> bytes | str | None:
    """Return the changelog's bytes, or the package whose documentation directory it is a link to; None if neither."""
    with suppress(
        SystemError, UnicodeDecodeError
    ):  # libapt raises here the error it met at the end of the previous archive
        apt_inst.DebFile(path)
    data = apt_inst.DebFile(path).data
    home = f"{_DOC}/{package}"
    # Each lookup decompresses the archive from the start, so the most likely name comes first.
    places = [*(f"{home}/{name}" for name in names[:_COMPRESSED]), home]
    if os.path.islink(f"/{home}"):
        places.insert(0, places.pop())
    while places:
        found = _member(data, places.pop(0))
        if isinstance(found, bytes):
            return found
        if found is not None:
            owner, name = found
            if owner != package:
                return owner
            places = [place for place in places if place == f"{home}/{name}"]
    return None


class _FoundError(Exception):
    """Ends the iteration over an archive."""


def _member(data: apt_inst.TarFile, path: str) -> bytes | tuple[str, str] | None:
    """Return a member's content, or the package and file that it links to; None if it is missing or links elsewhere."""
    found: list[bytes | tuple[str, str] | None] = []

    def take(member: apt_inst.TarMember, content: bytes) -> None:
        if member.issym() or member.islnk():
            base = posixpath.dirname(path) if member.issym() else ""
            found.append(_below_doc(posixpath.join("/", base, member.linkname)))
        else:
            found.append(content)
        raise _FoundError

    with suppress(LookupError, _FoundError):
        data.go(take, path)
    return found[0] if found else None


def _below_doc(target: str) -> tuple[str, str] | None:
    """Split a link target into package and file name ("" for the directory); None outside of /usr/share/doc."""
    path = posixpath.normpath(target).strip("/")
    package, _, name = path.removeprefix(f"{_DOC}/").partition("/")
    return (package, name) if path.startswith(f"{_DOC}/") and package and "/" not in name else None


def _open_nofollow(path: str, flags: int) -> int:
    """Open without following a symlink: the path was resolved and checked before."""
    return open_regular(path, flags | os.O_NOFOLLOW)
