"""Forms of a repository's index: its signature, its packed lists, its Release file. One line a form."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from enum import Enum

from tests.support.repository import Signer, package

_ONE_DAY = timedelta(days=1)


class Signed(Enum):
    """How a repository proves its Release file."""

    INLINE = "InRelease"
    DETACHED = "Release and Release.gpg"
    BOTH = "InRelease, Release and Release.gpg"
    NOT = "Release"
    NO_RELEASE = "no Release file"


def _zst(data: bytes) -> bytes:
    """Return a zstd frame of one raw block (RFC 8878): the standard library has no zstd before Python 3.14."""
    header = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    return header + (1 | len(data) << 3).to_bytes(3, "little") + data


PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    ".zst": _zst,
}


def _unchanged(release: bytes) -> bytes:
    return release


@dataclass(frozen=True, kw_only=True)
class Index:
    """One form of a repository's index."""

    signed: Signed = Signed.INLINE
    packed: tuple[str, ...] = ("", ".gz")
    """The published forms of each Packages file, by their ending."""
    listed: tuple[str, ...] | None = None
    """The forms that the Release file lists; None for the published ones."""
    architectures: tuple[str, ...] = ("amd64",)
    """Those with a Packages file."""
    fields: Mapping[str, str | None] = field(default_factory=dict)
    """Changes of the Release file's fields; None removes one."""
    empty: bool = False
    """Whether the Packages files have no stanza; the source then has its lists though none is on disk."""
    without_packages: bool = False
    sound: bool = True
    """Whether apt takes it; otherwise another fault than the row's may be the first."""
    reason: str = ""
    """libapt's reason for refusing it, where apt-get prints another one."""
    by_hash_only: bool = False
    released: timedelta = timedelta(minutes=-1)
    """The Release file's date, from now."""
    valid_for: timedelta | None = None
    hashes: tuple[str, ...] = ("SHA256",)
    text: bytes | None = None
    """The content of each Packages file; None for a stanza."""
    extra: Mapping[str, bytes | None] = field(default_factory=dict)
    """Further files that the Release file lists; None: the server does not have it."""
    edit: Callable[[bytes], bytes] = _unchanged
    """Changes the finished Release file before it is signed."""


INDEXES: Mapping[str, Index] = {
    "inline": Index(),
    "detached": Index(signed=Signed.DETACHED),
    "inline-and-detached": Index(signed=Signed.BOTH),
    "unsigned": Index(signed=Signed.NOT, sound=False),
    "no-release": Index(signed=Signed.NO_RELEASE, sound=False),
    "all-only": Index(architectures=("all",), fields={"Architectures": "all"}),
    "all-beside-native": Index(architectures=("all", "amd64"), fields={"Architectures": "all amd64"}),
    "empty": Index(empty=True),
    "without-packages": Index(without_packages=True, sound=False),
    "plain": Index(packed=("",)),
    "gz": Index(packed=(".gz",), listed=("", ".gz")),
    "xz": Index(packed=(".xz",), listed=("", ".xz")),
    "bz2": Index(packed=(".bz2",), listed=("", ".bz2")),
    "zst": Index(packed=(".zst",), listed=("", ".zst")),
    "packed-listed-alone": Index(packed=(".gz", ".xz")),
    "by-hash": Index(by_hash_only=True, fields={"Acquire-By-Hash": "yes"}),
    "component-missing": Index(sound=False, fields={"Components": "other"}),
    "no-names": Index(fields=dict.fromkeys(("Origin", "Label", "Suite", "Codename"))),
    "no-date": Index(fields={"Date": None}),
    "valid-until": Index(valid_for=_ONE_DAY),
}


def is_nameless(index: Index) -> bool:
    """Whether no Release field says whose repository it is, so that only `site=` can match it."""
    return index.signed is Signed.NO_RELEASE or ("Origin" in index.fields and index.fields["Origin"] is None)


def release_files(
    index: Index, names: Mapping[str, str], components: tuple[str, ...], signer: Signer, now: datetime
) -> Mapping[str, bytes]:
    """Return the files of one suite by their paths below it; a flat repository has no components."""
    published, listed = _lists(index, components)
    if index.signed is Signed.NO_RELEASE:
        return published
    release = index.edit(_release(index, names, components, listed, now))
    if index.signed in (Signed.INLINE, Signed.BOTH):
        published["InRelease"] = signer.sign(release)
    if index.signed is not Signed.INLINE:
        published["Release"] = release
    if index.signed in (Signed.DETACHED, Signed.BOTH):
        published["Release.gpg"] = signer.detached(release)
    return published


def _lists(index: Index, components: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the Packages files that are published, and those that the Release file lists."""
    published: dict[str, bytes] = {}
    listed: dict[str, bytes] = {}
    for name, given in index.extra.items():
        listed[name] = given or b"promised\n"
        published.update({name: given} if given is not None else {})
    if index.without_packages:
        return published, listed
    places = [f"{one}/binary-{arch}/" for one in components for arch in index.architectures] or [""]
    for place in places:
        text = b"" if index.empty else _stanza() if index.text is None else index.text
        for ending, pack in PACKERS.items():
            name, content = f"Packages{ending}", pack(text)
            if ending in index.packed:
                digest = hashlib.sha256(content).hexdigest()
                published[f"{place}by-hash/SHA256/{digest}" if index.by_hash_only else place + name] = content
            if ending in (index.packed if index.listed is None else index.listed):
                listed[place + name] = content
    return published, listed


def _stanza() -> bytes:
    one = package("a", "2")
    size = f"Filename: pool/{one.filename}\nSize: 1000\nSHA256: {'0' * 64}\n\n"
    return (one.control + size).encode()


def _release(
    index: Index, names: Mapping[str, str], components: tuple[str, ...], listed: Mapping[str, bytes], now: datetime
) -> bytes:
    fields: dict[str, str | None] = {
        **names,
        "Date": _rfc2822(now + index.released),
        "Architectures": "amd64",
        "Components": " ".join(components) or None,
        "Valid-Until": None if index.valid_for is None else _rfc2822(now + index.valid_for),
        **index.fields,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    for algorithm in index.hashes:
        lines.append(f"{algorithm}:")
        name_in_python = algorithm.removesuffix("Sum")
        lines += [
            f" {hashlib.new(name_in_python, data).hexdigest()} {len(data)} {name}" for name, data in listed.items()
        ]
    return "".join(f"{line}\n" for line in lines).encode()


def _rfc2822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(timezone.utc)).replace("+0000", "UTC")
