"""Scans installed packages for newer versions and for unfinished states.

An update's candidate is the highest version from an allowed origin, even if another origin offers a higher one: the
definition of "security update" that unattended-upgrades uses (its README; LP #1821101).
"""

from collections.abc import Iterator

import apt_pkg

from agent.core.frozen import frozen
from agent.core.model.facts import UNMET_DEPENDENCIES, Repair, Update
from agent.core.policy.origins import OriginPattern
from agent.host.apt.cache import PackageCache, package_id

_TRIGGERS_AWAITED, _TRIGGERS_PENDING = 7, 8
"""libapt's pkgCache::State::PkgCurrentState; python-apt does not export these two."""
_STATES = {
    apt_pkg.CURSTATE_UNPACKED: "unpacked",
    apt_pkg.CURSTATE_HALF_CONFIGURED: "half-configured",
    apt_pkg.CURSTATE_HALF_INSTALLED: "half-installed",
    _TRIGGERS_AWAITED: "triggers-awaited",
    _TRIGGERS_PENDING: "triggers-pending",
}
NEEDS_ARCHIVE = frozenset({"reinst-required", "half-installed"})
"""States that dpkg cannot finish without the package's archive (dpkg(1), PACKAGE FLAGS)."""
_ABSENT = (apt_pkg.CURSTATE_NOT_INSTALLED, apt_pkg.CURSTATE_CONFIG_FILES)
_REINSTALL = (apt_pkg.INSTSTATE_REINSTREQ, apt_pkg.INSTSTATE_HOLD_REINSTREQ)
_NOT_AUTOMATIC = 100
"""Highest priority of an archive with NotAutomatic in its Release file (apt_preferences(5))."""
_FORCED = 1000
"""From this priority on, apt installs a version even if that is a downgrade (apt_preferences(5))."""
_ROLLED_OUT = 100
"""Phased-Update-Percentage of a rollout that has reached every machine."""


@frozen
class UpdateScan:
    """Result of `scan`."""

    updates: tuple[Update, ...]
    repair: tuple[Repair, ...]


def scan(cache: PackageCache, patterns: tuple[OriginPattern, ...]) -> UpdateScan:
    """Return every security update, every other update, and every package that needs repair."""
    allowed = cache.allowed(patterns)
    anywhere = frozenset(cache.releases)
    updates: list[Update] = []
    repair: list[Repair] = []
    for package in cache.dpkg_packages:
        if package.current_state in _ABSENT and package_id(package) not in cache.overlaid:
            continue
        state = unfinished(cache, package) or (UNMET_DEPENDENCIES if package.id in cache.broken_before else None)
        if state is not None:
            repair.append(Repair(package=package.name, architecture=package.architecture, state=state))
        update, version = _security_update(cache, package, allowed)
        if update is not None:
            updates.append(update)
        choice = cache.depcache.get_candidate_ver(package)
        if choice is not None and choice != version and newer(choice, package.current_ver):
            updates.append(describe(cache, package, choice, anywhere, security=False))
    updates.sort(key=lambda update: (update.package, update.architecture))
    return UpdateScan(updates=tuple(updates), repair=tuple(repair))


def newer(version: apt_pkg.Version, than: apt_pkg.Version | None) -> bool:
    """Whether `version` is higher than `than` in dpkg's order; False if `than` is None."""
    text = version_text(version)
    return than is not None and text != "" and apt_pkg.version_compare(text, version_text(than)) > 0


def version_text(version: apt_pkg.Version) -> str:
    """Return a version; empty if it is not UTF-8, which no version can be (deb-version(7)) and any index may claim."""
    try:
        return version.ver_str
    except UnicodeDecodeError:
        return ""


def unfinished(cache: PackageCache, package: apt_pkg.Package) -> str | None:
    """Return dpkg's state of an unfinished package; None if it is finished."""
    if package.inst_state in _REINSTALL:
        return "reinst-required"
    return cache.overlaid.get(package_id(package)) or _STATES.get(package.current_state)


def _security_update(
    cache: PackageCache, package: apt_pkg.Package, allowed: frozenset[int]
) -> tuple[Update, apt_pkg.Version] | tuple[None, None]:
    """Return the highest version from the allowed files. A pinned version does not hide a lower one."""
    first = None
    for files in (allowed & cache.trusted, allowed):
        for version in _above(package):
            if not offered(version, files) or _is_deprioritized(cache, version, files):
                continue
            update = describe(cache, package, version, allowed, security=True)
            if update.pin is None:
                return update, version
            first = first or (update, version)
        if first is not None:
            return first
    return None, None


def _above(package: apt_pkg.Package) -> Iterator[apt_pkg.Version]:
    for version in package.version_list:  # sorted by libapt, highest first
        if newer(version, package.current_ver):
            yield version
        elif version_text(version):
            return


def _is_deprioritized(cache: PackageCache, version: apt_pkg.Version, files: frozenset[int]) -> bool:
    """Whether only NotAutomatic archives offer the version, and apt prefers another that is not a downgrade.

    Such an archive (backports) upgrades packages that were installed from it and no others (apt_preferences(5)).
    """
    policy = cache.depcache.policy
    priority = policy.get_priority(version)
    if priority > _NOT_AUTOMATIC or not cache.not_automatic.issuperset(_offering(version, files)):
        return False
    package = version.parent_pkg
    others = (*_above(package), package.current_ver)
    return any(other is not None and policy.get_priority(other) > priority for other in others)


def offered(version: apt_pkg.Version, files: frozenset[int]) -> bool:
    """Whether any of these index files offers exactly this version."""
    return any(file.id in files for file, _ in version.file_list)


def _offering(version: apt_pkg.Version, files: frozenset[int]) -> list[int]:
    return [file.id for file, _ in version.file_list if file.id in files]


def conflicting_origin(cache: PackageCache, version: apt_pkg.Version, files: frozenset[int]) -> str | None:
    """Return the origin, outside of these index files, of a different package with the same version; None if none.

    apt before 3.0 merges two such packages if size and relations agree, and downloads whichever comes first.
    """
    if version.id not in cache.conflicting_origins:
        cache.conflicting_origins[version.id] = _find_conflicting_origin(cache, version, files)
    return cache.conflicting_origins[version.id]


def _find_conflicting_origin(cache: PackageCache, version: apt_pkg.Version, files: frozenset[int]) -> str | None:
    outside = [place for place in version.file_list if not place[0].not_source and place[0].id not in files]
    inside = [place for place in version.file_list if place[0].id in files]
    if not outside or not inside:
        return None
    hashes = {_sha256(cache, place) for place in inside}
    for place in outside:
        if _sha256(cache, place) not in hashes or len(hashes) > 1:
            release = cache.releases.get(place[0].id)
            return (f"{release.origin} {release.archive}".strip() if release else "") or place[0].filename
    return None


def signed_sha256(cache: PackageCache, version: apt_pkg.Version) -> frozenset[str]:
    """Return the SHA-256 sums of a version's archive in the authenticated index files that offer it."""
    sums = (_sha256(cache, place) for place in version.file_list if place[0].id in cache.trusted)
    return frozenset(filter(None, sums))


def _sha256(cache: PackageCache, place: tuple[apt_pkg.PackageFile, int]) -> str:
    return cache.records.sha256_hash if cache.records.lookup(place) else ""


def describe(
    cache: PackageCache, package: apt_pkg.Package, version: apt_pkg.Version, files: frozenset[int], *, security: bool
) -> Update:
    """Collect the fields of one update that the gates check."""
    current = package.current_ver
    release = origin_of(cache, version, files)
    percentage = phased(cache, version) if security else None  # for other updates `resolve` checks it
    return Update(
        package=package.name,
        architecture=package.architecture,
        installed=current.ver_str if current is not None else "",
        candidate=version.ver_str,
        origin=release[0],
        archive=release[1],
        security=security,
        download_bytes=version.size,
        trusted=offered(version, files & cache.trusted),
        conflicting_origin=conflicting_origin(cache, version, files) or "",
        on_hold=package.selected_state == apt_pkg.SELSTATE_HOLD,
        pin=None if percentage is not None else _pin(cache, package, version, files),
        phased=percentage,
        source=source_of(cache, version),
    )


def source_of(cache: PackageCache, version: apt_pkg.Version) -> str:
    """Return the version's source package; a package lists it only if the name differs from its own."""
    name = ""
    try:
        if version.file_list and cache.records.lookup(version.file_list[0]):
            name = cache.records.source_pkg
    except UnicodeDecodeError:  # a field of any bytes
        pass
    return name or version.parent_pkg.name


def origin_of(cache: PackageCache, version: apt_pkg.Version, files: frozenset[int]) -> tuple[str, str]:
    """Return origin and archive of the first index file that offers the version, trusted ones first."""
    best = min(_offering(version, files), key=lambda file_id: file_id not in cache.trusted, default=None)
    release = cache.releases.get(best) if best is not None else None
    if release is None:
        return "", ""
    archive = release.archive or release.codename
    return (release.origin, archive) if release.origin or archive else (release.site or "unnamed repository", "")


def _pin(cache: PackageCache, package: apt_pkg.Package, version: apt_pkg.Version, files: frozenset[int]) -> str | None:
    """Describe the apt preference that excludes the version; None if there is none.

    Origin-wide priorities of other origins do not count, because `APT::Default-Release` would then hide every security
    update. Pins on the package itself count, and so does a priority that forces a version (1000).
    """
    policy = cache.depcache.policy
    current = package.current_ver
    wanted = _priority(cache, version, files)
    if wanted < 0:
        return f"version {version.ver_str} has priority {wanted} in apt's preferences (`apt-cache policy`)"
    if current is not None:
        kept = _priority(cache, current, files)
        if kept > wanted:
            return f"the installed {current.ver_str} is pinned at {kept}, {version.ver_str} is at {wanted}"
    for other in package.version_list:
        priority = policy.get_priority(other)
        if other != version and priority >= _FORCED and priority > wanted:
            return f"apt's preferences force {other.ver_str} (priority {priority})"
    return None


def _priority(cache: PackageCache, version: apt_pkg.Version, files: frozenset[int]) -> int:
    """Return the version's priority from these files and dpkg's status only."""
    policy = cache.depcache.policy
    own = policy.get_priority(version)
    by_files = [policy.get_priority(file) for file, _ in version.file_list]
    if own != max(by_files):  # a pin on the package itself outranks its files
        return own
    counted = [policy.get_priority(file) for file, _ in version.file_list if file.not_source or file.id in files]
    return max(counted, default=own)


def phased(cache: PackageCache, version: apt_pkg.Version) -> int | None:
    """Return the rollout percentage if apt defers the version on this machine, and for no other reason; else None.

    None for versions that a security suite offers: apt in Ubuntu 22.04 defers those too, later versions do not.
    """
    if any((file.archive or "").endswith("-security") for file, _ in version.file_list):
        return None
    percentage = _percentage(cache, version)
    rolling_out = percentage is not None and percentage < _ROLLED_OUT
    return percentage if rolling_out and cache.is_deferred(version.parent_pkg) else None


def _percentage(cache: PackageCache, version: apt_pkg.Version) -> int | None:
    for place in version.file_list:
        if not place[0].not_source and cache.records.lookup(place):
            try:
                return int(cache.records["Phased-Update-Percentage"])
            except (KeyError, ValueError):
                continue
    return None
