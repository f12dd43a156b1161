"""Assesses the package lists: their sources, age and errors."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import apt_pkg

from agent.core.clock import RECORD_TOLERANCE, is_future
from agent.core.frozen import replace
from agent.core.model.facts import ADVISORY, APT_SOURCE, Lists, ListsState, SourceError, SourceFault, SourceLists
from agent.core.model.package import PackageId
from agent.core.packages.remembered import PackageFacts
from agent.core.policy.origins import OriginPattern
from agent.core.ports import RefreshResult
from agent.host.apt.sources import Source, configured_sources, read_sources

MAX_RELEASE_AGE = timedelta(days=30)
"""Security lists older than this ask for attention, unless the archive itself says that they are still valid.

Debian and Ubuntu publish theirs every few days, Debian's with a Valid-Until of 7 days.
"""
_DISTRIBUTIONS = frozenset({"Debian", "Ubuntu", "UbuntuESM", "UbuntuESMApps"})
"""Origins that publish security updates all the time; any other allowed origin may have none for months."""
_RECORD_RESOLUTION = timedelta(seconds=1)
_OF_CONTENT = frozenset(
    {
        SourceFault.BAD_SIGNATURE,
        SourceFault.UNSIGNED,
        SourceFault.EXPIRED,
        SourceFault.NOT_YET_VALID,
        SourceFault.CORRUPT,
        SourceFault.OTHER,
    }
)
"""Faults that libapt may find in a Release file of which the server said "not modified".

An update that fails so renews the file's change time, which then proves nothing.
"""


def assess(
    facts: PackageFacts,
    patterns: tuple[OriginPattern, ...],
    refreshed: RefreshResult,
    *,
    now: datetime,
    max_age: timedelta,
) -> Lists:
    """Assess the lists that the facts are from.

    Fresh means: a security source exists, all of them are complete, authenticated, and were fetched or confirmed within
    `max_age`, and no source failed. Without evidence the lists are not fresh.
    """
    excluded = facts.excluded
    sources = [
        _Assessed(
            source, patterns, refreshed, now, enabled=not any(one.startswith(source.path_prefix) for one in excluded)
        )
        for source in read_sources(configured_sources())
    ]
    security = [one for one in sources if one.security and one.source.offered]
    errors = (*_errors(sources, refreshed), *_foreign_packages(facts.foreign))
    if not any(one.usable for one in security):
        if not any(one.security for one in sources) and all(error.fault in ADVISORY for error in errors):
            errors = (*errors, _no_security_source())
        return Lists(state=ListsState.NEVER, updated_at=None, errors=errors, sources=tuple(o.value for o in sources))
    times = [one.verified_at for one in security if one.verified_at is not None]
    updated_at = min(times) if len(times) == len(security) else None
    current = all(one.current for one in security) and updated_at is not None and now - updated_at <= max_age
    failed = any(error.fault not in ADVISORY and error.source != APT_SOURCE for error in errors)
    state = ListsState.STALE if not current else ListsState.PARTIAL if failed else ListsState.FRESH
    return Lists(state=state, updated_at=updated_at, errors=errors, sources=tuple(one.value for one in sources))


class _Assessed:
    """One source, what is on record of it, and what is true of its lists now."""

    def __init__(
        self,
        source: Source,
        patterns: tuple[OriginPattern, ...],
        refreshed: RefreshResult,
        now: datetime,
        *,
        enabled: bool = True,
    ) -> None:
        self.source = source
        self._enabled = enabled
        self.security = source.offers(patterns)
        self.released_at = source.time("Date")
        self._now = now
        self._refreshed = refreshed
        self._by_agent = self._latest(refreshed.verified(source.name))
        self.errors = tuple(e for e in refreshed.errors if e.source == source.name and not self._is_over(e))
        self.verified_at = self._verified() if source.trusted else None

    @property
    def value(self) -> SourceLists:
        """The source as documents show it."""
        return SourceLists(
            source=self.source.name,
            security=self.security if self.security or self.source.fetched else None,
            verified_at=self.verified_at,
            released_at=self.released_at,
            origin=self.source.field("Origin"),
            archive=self.source.field("Suite"),
            enabled=self._enabled,
        )

    @property
    def usable(self) -> bool:
        """Whether any of its lists is there."""
        return self.source.complete or any(one.exists for one in self.source.lists)

    @property
    def expired_at(self) -> datetime | None:
        """When the lists expired, if the agent did not verify them since; None if they did not.

        libapt may be configured to accept them; the change time of the file does not show whether it did.
        """
        until = self.source.time("Valid-Until")
        if until is None or until >= self._now or (self._by_agent is not None and self._by_agent > until):
            return None
        if not apt_pkg.config.find_b("Acquire::Check-Valid-Until", True):
            return None
        return until

    @property
    def current(self) -> bool:
        """Whether the lists are complete, authenticated and not expired."""
        return self.source.complete and self.source.trusted and self.expired_at is None

    @property
    def outdated(self) -> bool:
        """Whether the archive published the lists long ago, and does not say until when they are valid."""
        until = self.source.time("Valid-Until")
        valid = until is not None and until >= self._now
        return self.released_at is not None and not valid and self._now - self.released_at > MAX_RELEASE_AGE

    def error(self, fault: SourceFault, detail: str) -> SourceError:
        """Return an error of this source."""
        return SourceError(source=self.source.name, fault=fault, detail=detail, security=self.value.security)

    def _verified(self) -> datetime | None:
        """Return the latest moment at which the lists were certainly current.

        By the agent's record, by what apt left on disk, or by the date that the archive signed.
        """
        proven = not any(error.fault in _OF_CONTENT for error in self.errors)
        return self._latest(self._by_agent, self.source.verified_at() if proven else None, self.released_at)

    def _latest(self, *times: datetime | None) -> datetime | None:
        """Return the latest time; those in the future are of a wrong clock."""
        known = (time for time in times if time is not None and not is_future(time, self._now, RECORD_TOLERANCE))
        return max(known, default=None)

    def _is_over(self, error: SourceError) -> bool:
        """Whether somebody else updated the source successfully after the refresh in which it failed."""
        updated, finished = self.source.verified_at(), self._refreshed.finished_at
        if updated is None or finished is None or updated <= finished + _RECORD_RESOLUTION:
            return False
        return error.fault not in _OF_CONTENT or self._was_replaced(finished)

    def _was_replaced(self, since: datetime) -> bool:
        """Whether the lists are others than those that the agent knows: libapt keeps only verified ones."""
        listed = self.source.listed_at()
        if listed is not None and listed > since + _RECORD_RESOLUTION:
            return True
        return self._by_agent is not None and self.released_at is not None and self.released_at > self._by_agent


def _errors(sources: Sequence[_Assessed], refreshed: RefreshResult) -> tuple[SourceError, ...]:
    """Return at most one error that makes lists less current for each source, and what else asks for attention."""
    found = {one.source.name: replace(error, security=one.value.security) for one in sources for error in one.errors}
    found.update((error.source, error) for error in refreshed.errors if error.source == APT_SOURCE)
    for one in sources:
        fault = _fault_on_disk(one)
        if fault is not None:
            found.setdefault(one.source.name, fault)
    return (*found.values(), *(error for error in _advice(sources) if error.source not in found))


def _fault_on_disk(one: _Assessed) -> SourceError | None:
    """Return what the lists themselves show: never fetched, not authenticated, expired since the last verification."""
    source = one.source
    if not source.lists:
        return None
    missing = source.missing()
    if not source.fetched or (missing and not any(each.exists for each in source.lists)):
        return one.error(SourceFault.NEVER_FETCHED, "its lists are missing (`maestro-agent check` fetches them)")
    if missing:
        detail = f"{', '.join(missing)} is missing: the archive does not have it, or it was deleted"
        return one.error(SourceFault.NEVER_FETCHED, detail)
    if one.security and not source.trusted:
        return one.error(SourceFault.UNSIGNED, "its lists are not authenticated, so nothing is installed from it")
    if one.expired_at is not None:
        return one.error(SourceFault.EXPIRED, f"its lists expired on {one.expired_at:%Y-%m-%d %H:%M} UTC")
    return None


def _advice(sources: Sequence[_Assessed]) -> Iterator[SourceError]:
    """Yield what asks for attention and leaves the lists as current as they are."""
    security = [one for one in sources if one.security]
    quiet = all(one.outdated for one in security)
    for one in sources:
        unknown = one.source.unknown_components()
        if unknown:
            names = f"component{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}"
            yield one.error(SourceFault.NOT_OFFERED, f"it has no {names}: correct or remove the name in apt's sources")
        elif one.security and not one.source.offered:
            yield one.error(SourceFault.NOT_OFFERED, "it has no index that apt reads on this machine")
        if one.security and one.outdated and (quiet or one.source.field("Origin") in _DISTRIBUTIONS):
            detail = f"the newest list of security updates is of {one.released_at:%Y-%m-%d}"
            yield one.error(SourceFault.OUTDATED, detail)


def _foreign_packages(found: tuple[PackageId, ...]) -> Iterator[SourceError]:
    """Yield an error for installed packages of architectures that dpkg is not configured for any more."""
    if found:
        architectures = sorted({package.architecture for package in found})
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield SourceError(
            source="dpkg",
            fault=SourceFault.FOREIGN_PACKAGES,
            detail=f"nothing upgrades {found[0].name}:{found[0].architecture}{more}: dpkg is not configured for "
            f"{', '.join(architectures)} (`dpkg --add-architecture {architectures[0]}` changes that)",
        )


def _no_security_source() -> SourceError:
    return SourceError(
        source="apt sources",
        fault=SourceFault.NOT_CONFIGURED,
        detail="no configured source is an allowed origin (security.origins), so no security update can be found; "
        "add the distribution's security suite",
        security=True,
    )
