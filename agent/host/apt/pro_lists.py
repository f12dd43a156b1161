"""Fixes that only Ubuntu Pro brings, by the package lists that the Pro client keeps of services that are not enabled.

The machine may be attached all the same. The client (esm-cache.service) has apt fetch and verify the public lists of
ESM into a root directory of its own, which is no part of apt's configuration: nothing of it can be installed. The
packages themselves need a subscription.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import apt_pkg

from agent.core.model.facts import Update
from agent.core.model.package import PackageId
from agent.core.policy.origins import OriginPattern, ReleaseFields
from agent.host.apt.basis import PRO_LISTS
from agent.host.apt.cache import PackageCache, package_id
from agent.host.apt.release_file import find_release

_PACKAGES = re.compile(
    r"(?P<release>.+_dists_[^_]+_)(?P<component>[^_]+)_binary-(?P<architecture>[^_]+)_Packages(?:\.[a-z0-9]+)?"
)
"""Name of a list: apt-pkg's URItoFileName of the index, packed or not."""


def esm_only(
    cache: PackageCache, patterns: tuple[OriginPattern, ...], updates: Sequence[Update], directory: Path = PRO_LISTS
) -> tuple[Update, ...]:
    """Return fixes of installed packages that the client's lists have in a higher version than any update.

    They count as security updates by the same origin patterns as once the machine is attached. A list that cannot be
    read is left out.
    """
    installed: dict[str, list[apt_pkg.Package]] = {}
    for package in cache.dpkg_packages:
        if package.current_ver is not None:
            installed.setdefault(package.name, []).append(package)
    best = {update.id: update.candidate for update in updates if update.security}
    found: dict[PackageId, Update] = {}
    for update in _offers(installed, patterns, directory):
        known = found[update.id].candidate if update.id in found else best.get(update.id, update.installed)
        if apt_pkg.version_compare(update.candidate, known) > 0:
            found[update.id] = update
    return tuple(found[key] for key in sorted(found))


def _offers(
    installed: Mapping[str, Sequence[apt_pkg.Package]], patterns: tuple[OriginPattern, ...], directory: Path
) -> Iterator[Update]:
    for path, release in _security_lists(patterns, directory):
        with suppress(apt_pkg.Error, OSError), apt_pkg.TagFile(str(path), bytes=True) as stanzas:
            for stanza in stanzas:
                for package in installed.get(_text(stanza, "Package"), ()):
                    if _text(stanza, "Version") and _text(stanza, "Architecture") in {package.architecture, "all"}:
                        yield _update(package, stanza, release)


def _security_lists(patterns: tuple[OriginPattern, ...], directory: Path) -> Iterator[tuple[Path, ReleaseFields]]:
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError:
        return
    for name in names:
        parts = _PACKAGES.fullmatch(name)
        release = find_release(str(directory / parts["release"])) if parts is not None else None
        if parts is None or release is None:
            continue
        fields = ReleaseFields(
            origin=release.field("Origin"),
            label=release.field("Label"),
            archive=release.field("Suite"),
            codename=release.field("Codename"),
            component=parts["component"],
            site=name.partition("_")[0],
        )
        if any(pattern.matches(fields) for pattern in patterns):
            yield directory / name, fields


def _update(package: apt_pkg.Package, stanza: "apt_pkg.TagSection[bytes]", release: ReleaseFields) -> Update:
    source = _text(stanza, "Source").partition(" ")[0]
    known, current = package_id(package), package.current_ver
    return Update(
        package=known.name,
        architecture=known.architecture,
        installed=current.ver_str if current is not None else "",
        candidate=_text(stanza, "Version"),
        origin=release.origin,
        archive=release.archive,
        security=True,
        download_bytes=0,
        source=source or known.name,
    )


def _text(stanza: "apt_pkg.TagSection[bytes]", field: str) -> str:
    """Return a field; empty if it is missing."""
    return stanza[field].decode(errors="replace") if field in stanza else ""
