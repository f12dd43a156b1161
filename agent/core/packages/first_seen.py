"""When this machine first saw each version of a package in verified package lists. Pure.

A version starts its own soak even if it replaces one that soaks already: a second upload may be the bad one. One that
becomes a security update stays as old as it is. Lists that are stale or incomplete end nothing. A version that is no
longer offered is kept for a while, as its source may be away for some days, and while an update to a newer version is
offered: `explain` shows the age of both.

Clocks: a first sight that lies ahead of the clock was recorded while one of both was wrong. Which one is not known, so
the time is kept and the waiting is counted in small steps meanwhile; the greater age of both counts. A clock that was
set back releases nothing early, and one that was ahead holds nothing for ever.
A clock behind the date of the package lists is certainly wrong: that date is the earliest that a first sight can have.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from agent.core.debian_version import version_key
from agent.core.frozen import frozen, replace
from agent.core.model.facts import Facts, ListsState, Update
from agent.core.model.package import OfPackage, PackageId
from agent.core.model.waiting import Age

MAX_GONE = 1000
"""Versions that are no longer offered; the others are at most two for each installed package."""
_KEPT = timedelta(days=30)
_LONGEST_STEP = timedelta(days=1)
"""How much of the time between two observations counts while the clock is wrong."""
_NOTHING = timedelta(0)
_CURRENT = (ListsState.FRESH, ListsState.PARTIAL)


@frozen
class Counted:
    """How long a version has waited since the clock was found behind its first sight."""

    waited: timedelta
    at: datetime
    """When that was counted, by this clock."""


@frozen
class Sighting(OfPackage):
    """One version of one package as an update of one class."""

    package: str
    architecture: str
    version: str
    security: bool
    first_seen_at: datetime
    counted: Counted | None = None
    """None unless the clock was behind `first_seen_at`, and that still counts."""
    gone_at: datetime | None = None
    """When it was first not offered any more; None while it is."""

    def age_at(self, now: datetime) -> timedelta:
        """Return how long it has been known; `now` as of the observation that this sighting is of."""
        return self.counted.waited if self.counted is not None else max(now - self.first_seen_at, _NOTHING)


FirstSeen = tuple[Sighting, ...]
"""The sightings of one machine, by package, class and time."""
_Key = tuple[PackageId, str, bool]


def advance(before: FirstSeen, facts: Facts) -> FirstSeen:
    """Return the sightings after an observation."""
    offered = {_key_of(update): update for update in facts.updates if update.trusted}
    known = {(one.id, one.version, one.security): one for one in before}
    earliest = max([facts.seen_at, *(one.released_at for one in facts.lists.sources if one.released_at is not None)])
    found = [
        _counted(replace(old, security=update.security, gone_at=None), facts.seen_at)
        if (old := _oldest(known, update, facts.seen_at)) is not None
        else _first(update, earliest)
        for update in offered.values()
    ]
    updates: dict[PackageId, list[Update]] = {}
    for update in facts.updates:
        updates.setdefault(update.id, []).append(update)
    gone = [
        _counted(replace(one, gone_at=one.gone_at or _gone_at(facts)), facts.seen_at)
        for key, one in known.items()
        if key not in offered and _is_needed(one, updates.get(one.id, ()), facts.seen_at)
    ]
    newest = sorted(gone, key=lambda one: one.gone_at or facts.seen_at)[-MAX_GONE:]
    return tuple(sorted((*found, *newest), key=lambda one: (one.id, one.security, one.first_seen_at, one.version)))


def age_of(seen: FirstSeen, update: Update, now: datetime, cohort: int) -> Age | None:
    """Return the age of an update by the sightings after the observation at `now`; None if it was never seen."""
    same = [one for one in seen if one.id == update.id and one.security == update.security]
    own = next((one for one in same if one.version == update.candidate), None)
    if own is None:
        return None
    older = [now - one.age_at(now) for one in same if _is_between(one.version, update)]
    return Age(first_seen_at=now - own.age_at(now), observed_at=now, cohort=cohort, earlier_at=min(older, default=None))


def with_ages(seen: FirstSeen, updates: Iterable[Update], now: datetime, cohort: int) -> Iterator[Update]:
    """Yield the updates with their ages."""
    by_package: dict[PackageId, list[Sighting]] = {}
    for one in seen:
        by_package.setdefault(one.id, []).append(one)
    for update in updates:
        yield replace(update, age=age_of(tuple(by_package.get(update.id, ())), update, now, cohort))


def _key_of(update: Update) -> _Key:
    return (update.id, update.candidate, update.security)


def _oldest(known: Mapping[_Key, Sighting], update: Update, now: datetime) -> Sighting | None:
    """Return the older sighting of this version, of either class; None if it was never seen."""
    both = (known.get((update.id, update.candidate, security)) for security in (True, False))
    return max((one for one in both if one is not None), key=lambda one: one.age_at(now), default=None)


def _first(update: Update, at: datetime) -> Sighting:
    return Sighting(
        package=update.package,
        architecture=update.architecture,
        version=update.candidate,
        security=update.security,
        first_seen_at=at,
    )


def _counted(one: Sighting, now: datetime) -> Sighting:
    """Return a sighting with the time that it has waited, from when the clock was behind its first sight.

    It is counted on until the first sight alone makes it as old: what was released stays so.
    """
    if one.counted is None:
        behind = one.first_seen_at > now
        return replace(one, counted=Counted(waited=_NOTHING, at=now)) if behind else one
    step = min(max(now - one.counted.at, _NOTHING), _LONGEST_STEP)
    waited = one.counted.waited + step
    return replace(one, counted=Counted(waited=waited, at=now) if now - one.first_seen_at < waited else None)


def _gone_at(facts: Facts) -> datetime | None:
    """Return when what is not offered has gone: now, if the lists can be trusted to have all."""
    return facts.seen_at if facts.lists.state in _CURRENT else None


def _is_needed(one: Sighting, updates: Collection[Update], now: datetime) -> bool:
    """Whether a version that is not offered is kept; `updates` are those of its package."""
    if any(not _is_newer(one.version, update.installed) for update in updates):
        return False
    recently = one.gone_at is None or now - one.gone_at < _KEPT
    return recently or any(_is_newer(update.candidate, one.version) for update in updates)


def _is_between(version: str, update: Update) -> bool:
    """Whether a version is newer than the installed one and older than the update."""
    return _is_newer(version, update.installed) and _is_newer(update.candidate, version)


def _is_newer(version: str, than: str) -> bool:
    return version_key(version) > version_key(than)
