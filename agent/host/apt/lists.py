"""Assesses the package lists: their sources, age and errors."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from agent.core.clock import RECORD_TOLERANCE, is_future
from agent.core.model.facts import Lists, ListsState, SourceError, SourceFault
from agent.core.policy.origins import OriginPattern
from agent.core.ports import RefreshResult
from agent.host.apt.cache import PackageCache
from agent.host.apt.sources import Source, read_sources

_SUCCESS_STAMP = Path("/var/lib/apt/periodic/update-success-stamp")
"""Touched by Ubuntu's apt hook (update-notifier-common) after each successful `apt-get update`."""


def assess(
    cache: PackageCache,
    patterns: tuple[OriginPattern, ...],
    refreshed: RefreshResult,
    *,
    now: datetime,
    max_age: timedelta,
) -> Lists:
    """Assess the lists that the cache was opened from.

    Fresh means: a security source exists, is authenticated, and was fetched or confirmed within `max_age`, and no
    source failed. Without evidence the lists are not fresh.
    """
    sources = read_sources(cache.sources)
    security = {source.name: source for source in sources if source.offers(patterns)}
    errors = [replace(error, security=True if error.source in security else None) for error in refreshed.errors]
    known = {error.source for error in errors}
    errors += [error for error in _list_errors(sources, security, refreshed, now) if error.source not in known]
    if not any(len(source.missing()) < len(source.lists) for source in security.values()):
        if not errors or all(error.source not in {source.name for source in sources} for error in errors):
            errors.append(_no_security_source())
        return Lists(state=ListsState.NEVER, updated_at=None, errors=tuple(errors))
    updated_at = refreshed.verified_at or _last_update(security)
    if updated_at is not None and is_future(updated_at, now, RECORD_TOLERANCE):
        updated_at = None  # the clock was wrong, then or now
    current = updated_at is not None and now - updated_at <= max_age
    # An error that matches no configured source might belong to a security source.
    failed = any(error.security or error.source not in {source.name for source in sources} for error in errors)
    state = ListsState.STALE if failed or not current else ListsState.PARTIAL if errors else ListsState.FRESH
    return Lists(state=state, updated_at=updated_at, errors=tuple(errors))


def _list_errors(
    sources: tuple[Source, ...], security: dict[str, Source], refreshed: RefreshResult, now: datetime
) -> Iterator[SourceError]:
    """Yield errors visible in the lists: never fetched, not authenticated, expired since the last verification."""
    for source in sources:
        is_security = True if source.name in security else None
        missing = source.missing()
        until = source.time("Valid-Until")
        confirmed = refreshed.verified_at is not None and until is not None and refreshed.verified_at > until
        if not source.lists:
            continue
        if not source.fetched or missing:
            fault, detail = SourceFault.NEVER_FETCHED, "its lists are missing (`maestro-agent check` fetches them)"
            if source.fetched and missing:
                detail = f"{', '.join(missing)} is missing: the archive does not have it, or it was deleted"
        elif is_security and not source.trusted:
            fault, detail = SourceFault.UNSIGNED, "its lists are not authenticated, so nothing is installed from it"
        elif until is not None and until < now and not confirmed:
            fault, detail = SourceFault.EXPIRED, f"its lists expired on {until:%Y-%m-%d %H:%M} UTC"
        else:
            continue
        yield SourceError(source=source.name, fault=fault, detail=detail, security=is_security)


def _no_security_source() -> SourceError:
    return SourceError(
        source="apt sources",
        fault=SourceFault.NOT_CONFIGURED,
        detail="no configured source is an allowed origin (security.origins), so no security update can be found; "
        "add the distribution's security suite",
        security=True,
    )


def _last_update(security: dict[str, Source]) -> datetime | None:
    """Return when the lists were certainly current, if the agent has not fetched them itself.

    Not from the lists' mtimes, because copying an image renews them: from apt's stamp file, or from the oldest of the
    dates that the archives signed.
    """
    with suppress(OSError):
        return datetime.fromtimestamp(_SUCCESS_STAMP.stat().st_mtime, timezone.utc)
    dates = [source.time("Date") for source in security.values()]
    known = [date for date in dates if date is not None]
    return min(known) if known and len(known) == len(dates) else None
