"""Reads a package's changelog, out of its archive or as it is installed, no further than it has to.

Every size is bounded and no link is followed out of /usr/share/doc: what a repository ships is taken for text
that may be anything.
"""

import codecs
import io
import os
import posixpath
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import apt_inst
import apt_pkg

from agent.core.packages.changelog import collect_findings
from agent.core.packages.cves import ChangelogFindings
from agent.state.safe_open import open_regular

_DOC = "usr/share/doc"
_NAMES = ("changelog.Debian.gz", "changelog.gz", "changelog.Debian", "changelog")
"""Names of a Debian changelog (Debian Policy, 12.7); of a package that is not native, "changelog" is upstream's."""
_NATIVE_FIRST = ("changelog.gz", "changelog.Debian.gz", "changelog", "changelog.Debian")
_PACKED = 2
"""How many of these names are looked for in an archive: debhelper packs every changelog."""
_CHUNK = 64 * 1024
_LONGEST_LINE = 1024 * 1024
_LONGEST_TEXT = 32 * 1024 * 1024
_HOPS = 3
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogQuery:
    """What is asked of a changelog: what lies between two versions of a source package."""

    package: str
    source: str
    installed: str
    """The installed version of the source."""
    candidate: str
    """The candidate's version of the source."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the changelog may have, likeliest first."""
        return _NAMES if "-" in self.candidate else _NATIVE_FIRST


Archives = Mapping[tuple[str, str, str], str]
"""Paths of verified archives, by package, source and version of the source."""


def in_archives(question: ChangelogQuery, archives: Archives) -> ChangelogFindings | None:
    """Answer from the package's archive; where its documentation is a link to that of a package beside it, from that.

    Raises:
        LookupError: the changelog lies in an archive that is not among these.
        OSError, SystemError: the archive cannot be read.
    """
    package = question.package
    for _ in range(_HOPS):
        path = archives.get((package, question.source, question.candidate))
        if path is None:
            there = installed(question, package)
            if there is None:
                raise LookupError(package)
            return there
        found = _in_archive(path, package, question.names)
        if isinstance(found, bytes):
            return _answer(question, lines(io.BytesIO(found).read))
        if found is None:
            return None
        package = found
    return None


def installed(question: ChangelogQuery, package: str | None = None) -> ChangelogFindings | None:
    """Answer from the changelog that is installed, of the package itself or of another one."""
    return _answer(question, _installed_lines(package or question.package, question.names))


def lines(read: Callable[[int], bytes]) -> Iterator[str]:
    """Yield lines of a text, packed by gzip or not, and unpack no more than what is drawn.

    Ends early, and says nothing of it, where the text is damaged or beyond all measure. What is no UTF-8 is
    replaced: the words that matter are ASCII.
    """
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    pending = ""
    total = 0
    for chunk in _unpacked(read):
        total += len(chunk)
        pending += decode(chunk)
        *whole, pending = pending.split("\n")
        yield from whole
        if len(pending) > _LONGEST_LINE:
            yield pending
            pending = ""
        if total > _LONGEST_TEXT:
            return
    yield pending


def _answer(question: ChangelogQuery, text: Iterator[str]) -> ChangelogFindings | None:
    return collect_findings(
        text,
        installed=question.installed,
        candidate=question.candidate,
        compare=apt_pkg.version_compare,
        before=lambda: _installed_lines(question.package, question.names),
    )


def _installed_lines(package: str, names: tuple[str, ...]) -> Iterator[str]:
    base = os.path.realpath(f"/{_DOC}")
    for name in names:
        path = os.path.realpath(os.path.join(base, package, name))
        if os.path.dirname(os.path.dirname(path)) == base:
            with suppress(OSError), open(path, "rb", opener=_open_here) as file:
                yield from lines(file.read)
                return


def _unpacked(read: Callable[[int], bytes]) -> Iterator[bytes]:
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
    """Return the changelog as it lies in an archive, or the package whose documentation it is a link to."""
    with suppress(SystemError):  # libapt raises only now what it met at the end of the archive before this one
        apt_inst.DebFile(path)
    data = apt_inst.DebFile(path).data
    home = f"{_DOC}/{package}"
    # Each look unpacks the archive from its beginning, so the likeliest comes first.
    places = [*(f"{home}/{name}" for name in names[:_PACKED]), home]
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
    """Ends the walk through an archive."""


def _member(data: apt_inst.TarFile, place: str) -> bytes | tuple[str, str] | None:
    """Return a file of an archive, or the package and file that it is a link to; None where there is no such thing."""
    found: list[bytes | tuple[str, str] | None] = []

    def take(member: apt_inst.TarMember, content: bytes) -> None:
        if member.issym() or member.islnk():
            base = posixpath.dirname(place) if member.issym() else ""
            found.append(_below_doc(posixpath.join("/", base, member.linkname)))
        else:
            found.append(content)
        raise _FoundError

    with suppress(LookupError, _FoundError):
        data.go(take, place)
    return found[0] if found else None


def _below_doc(target: str) -> tuple[str, str] | None:
    """Split a link's target into package and file, empty for its directory; None where it leads elsewhere."""
    path = posixpath.normpath(target).strip("/")
    package, _, name = path.removeprefix(f"{_DOC}/").partition("/")
    return (package, name) if path.startswith(f"{_DOC}/") and package and "/" not in name else None


def _open_here(path: str, flags: int) -> int:
    """Open a file that is no link: where it leads was judged before."""
    return open_regular(path, flags | os.O_NOFOLLOW)
