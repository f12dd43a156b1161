"""How far the package lists can be believed: which sources they are of, how old, and what is wrong with each."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from agent.core.model.facts import Lists, ListsState, SourceError, SourceFault
from agent.core.policy.origins import OriginPattern
from agent.core.ports import RefreshResult
from agent.host.apt.cache import PackageCache
from agent.host.apt.sources import Source, read_sources

_SUCCESS_STAMP = Path("/var/lib/apt/periodic/update-success-stamp")
"""Touched by Ubuntu's apt hook (update-notifier-common) after every `apt-get update` without error."""
_CLOCK_SLACK = timedelta(minutes=5)


def assess(
    index: PackageCache,
    patterns: tuple[OriginPattern, ...],
    refreshed: RefreshResult,
    *,
    now: datetime,
    max_age: timedelta,
) -> Lists:
    """Judge the lists that an index was opened from.

    Fresh means: a source of security updates is there, authenticated, and was fetched or confirmed within
    `max_age` without any source failing. What cannot be shown to be fresh is not.
    """
    sources = read_sources(index.sources)
    security = {source.name: source for source in sources if source.offers(patterns)}
    errors = [replace(error, security=True if error.source in security else None) for error in refreshed.errors]
    known = {error.source for error in errors}
    errors += [error for error in _seen_errors(sources, security, refreshed, now) if error.source not in known]
    if not any(len(source.missing()) < len(source.lists) for source in security.values()):
        if not errors or all(error.source not in {source.name for source in sources} for error in errors):
            errors.append(_not_configured())
        return Lists(state=ListsState.NEVER, updated_at=None, errors=tuple(errors))
    updated_at = refreshed.verified_at or _evidence(security)
    if updated_at is not None and updated_at > now + _CLOCK_SLACK:
        updated_at = None  # a clock was wrong, then or now: no evidence of anything
    current = updated_at is not None and now - updated_at <= max_age
    # An error that fits no configured source might be that of a security source.
    failed = any(error.security or error.source not in {source.name for source in sources} for error in errors)
    state = ListsState.STALE if failed or not current else ListsState.PARTIAL if errors else ListsState.FRESH
    return Lists(state=state, updated_at=updated_at, errors=tuple(errors))


def _seen_errors(
    sources: tuple[Source, ...], security: dict[str, Source], refreshed: RefreshResult, now: datetime
) -> Iterator[SourceError]:
    """Find what the lists themselves show: never fetched, not authenticated, expired since they were verified."""
    for source in sources:
        is_security = True if source.name in security else None
        missing = source.missing()
        until = source.time("Valid-Until")
        confirmed = refreshed.verified_at is not None and until is not None and refreshed.verified_at > until
        if not source.lists:
            continue
        if not source.fetched or missing:
            fault, detail = SourceFault.NEVER_FETCHED, "its lists are not there (`maestro-agent check` fetches them)"
            if source.fetched and missing:
                detail = f"{', '.join(missing)} is not there: the archive has none, or it was deleted"
        elif is_security and not source.trusted:
            fault, detail = SourceFault.UNSIGNED, "its lists are not authenticated, so nothing is installed from it"
        elif until is not None and until < now and not confirmed:
            fault, detail = SourceFault.EXPIRED, f"its lists expired on {until:%Y-%m-%d %H:%M} UTC"
        else:
            continue
        yield SourceError(source=source.name, fault=fault, detail=detail, security=is_security)


def _not_configured() -> SourceError:
    return SourceError(
        source="apt sources",
        fault=SourceFault.NOT_CONFIGURED,
        detail="no configured source is an allowed origin (security.origins), so no security update can be seen; "
        "add the distribution's security suite",
        security=True,
    )


def _evidence(security: dict[str, Source]) -> datetime | None:
    """Return when the lists were surely current, where this agent has not fetched them itself.

    File times of the lists are no evidence, for copying an image renews them: only apt's own stamp is, or the
    dates that the archives signed, of which the oldest speaks for all.
    """
    with suppress(OSError):
        return datetime.fromtimestamp(_SUCCESS_STAMP.stat().st_mtime, timezone.utc)
    dates = [source.time("Date") for source in security.values()]
    known = [date for date in dates if date is not None]
    return min(known) if known and len(known) == len(dates) else None
