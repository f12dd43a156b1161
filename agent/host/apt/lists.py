"""How far the package lists can be believed: which sources they are of, how old, and what is wrong with each."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import apt_pkg

from agent.core.model import Lists, ListsState, SourceError, SourceFault
from agent.core.origins import Pattern, Release
from agent.core.ports import Refreshed
from agent.host.apt.index import Index

_SUCCESS_STAMP = Path("/var/lib/apt/periodic/update-success-stamp")
"""Touched by Ubuntu's apt hook (update-notifier-common) after every `apt-get update` without error."""
_HEAD_BYTES = 8192


def assess(
    index: Index, patterns: tuple[Pattern, ...], refreshed: Refreshed, *, now: datetime, max_age: timedelta
) -> Lists:
    """Judge the lists that an index was opened from.

    Fresh means: a source of security updates is there, authenticated, and was fetched or confirmed within
    `max_age` without any source failing. What cannot be shown to be fresh is not.
    """
    security = _security_sources(index, patterns)
    errors = [_with_security(error, security) for error in refreshed.errors]
    known = {error.source for error in errors}
    errors += [error for error in _seen_errors(index, security, refreshed, now) if error.source not in known]
    if not security:
        if not any(error.fault is SourceFault.NEVER_FETCHED or error.source in known for error in errors):
            errors.append(_not_configured())
        return Lists(state=ListsState.NEVER, updated_at=None, errors=tuple(errors))
    updated_at = refreshed.verified_at or _evidence(security)
    return Lists(state=_state(errors, updated_at, now, max_age), updated_at=updated_at, errors=tuple(errors))


def name_of(meta: apt_pkg.MetaIndex) -> str:
    """Return URI and suite of a source, as libapt describes its items."""
    return f"{meta.uri.rstrip('/')} {meta.dist}"


def _state(errors: list[SourceError], updated_at: datetime | None, now: datetime, max_age: timedelta) -> ListsState:
    if updated_at is None or now - updated_at > max_age or any(error.security for error in errors):
        return ListsState.STALE
    if any(error.source == "all sources" for error in errors):
        return ListsState.STALE
    return ListsState.PARTIAL if errors else ListsState.FRESH


def _security_sources(index: Index, patterns: tuple[Pattern, ...]) -> dict[str, apt_pkg.MetaIndex]:
    """Return the configured sources, by name, whose Release file says that they are an allowed origin.

    The Release file is asked and not libapt's cache, which does not know a suite that is still empty.
    """
    return {
        name_of(meta): meta
        for meta in index.sources.list
        if any(pattern.matches(release) for release in _releases(meta) for pattern in patterns)
    }


def _releases(meta: apt_pkg.MetaIndex) -> Iterator[Release]:
    """Return what a source says of itself, once for each of its components."""
    fields = _release_fields(meta)
    for component in fields.get("Components", "").split():
        yield Release(
            origin=fields.get("Origin", ""),
            label=fields.get("Label", ""),
            archive=fields.get("Suite", ""),
            codename=fields.get("Codename", ""),
            component=component,
            site=urlsplit(meta.uri).hostname or "",
        )


def _with_security(error: SourceError, security: dict[str, apt_pkg.MetaIndex]) -> SourceError:
    is_security = True if error.source in security else error.security
    return SourceError(source=error.source, fault=error.fault, detail=error.detail, security=is_security)


def _seen_errors(
    index: Index, security: dict[str, apt_pkg.MetaIndex], refreshed: Refreshed, now: datetime
) -> Iterator[SourceError]:
    """Find what the lists themselves show: never fetched, not authenticated, expired since they were verified."""
    for meta in index.sources.list:
        parts = [part for part in meta.index_files if part.has_packages or "Packages" in part.label]
        if not parts:
            continue
        source = name_of(meta)
        if not _release_file(meta):
            detail = "its lists were never fetched (`maestro-agent check` fetches them)"
            yield SourceError(source=source, fault=SourceFault.NEVER_FETCHED, detail=detail)
        elif source in security and not meta.is_trusted:
            detail = "its lists are not authenticated, so nothing is installed from it"
            yield SourceError(source=source, fault=SourceFault.UNSIGNED, detail=detail, security=True)
        else:
            until = _release_time(meta, "Valid-Until")
            confirmed = refreshed.verified_at is not None and until is not None and refreshed.verified_at > until
            if until is not None and until < now and not confirmed:
                detail = f"its lists expired on {until:%Y-%m-%d %H:%M} UTC"
                is_security = source in security or None
                yield SourceError(source=source, fault=SourceFault.EXPIRED, detail=detail, security=is_security)


def _not_configured() -> SourceError:
    return SourceError(
        source="apt sources",
        fault=SourceFault.NOT_CONFIGURED,
        detail="no configured source is an allowed origin (security.origins), so no security update can be seen; "
        "add the distribution's security suite",
        security=True,
    )


def _evidence(security: dict[str, apt_pkg.MetaIndex]) -> datetime | None:
    """Return when the lists were surely current, where this agent has not fetched them itself.

    File times of the lists are no evidence, for copying an image renews them: only apt's own stamp and the
    date that the archive signed are.
    """
    times = [moment for meta in security.values() if (moment := _release_time(meta, "Date")) is not None]
    with suppress(OSError):
        times.append(datetime.fromtimestamp(_SUCCESS_STAMP.stat().st_mtime, timezone.utc))
    return max(times, default=None)


def _release_file(meta: apt_pkg.MetaIndex) -> Path | None:
    base = meta.uri.rstrip("/") + "/"
    flat = meta.dist.endswith("/")
    place = base + (meta.dist.lstrip("/").removeprefix("./") if flat else f"dists/{meta.dist}/")
    lists = apt_pkg.config.find_dir("Dir::State::Lists")
    for name in ("InRelease", "Release"):
        path = Path(lists, apt_pkg.uri_to_filename(place + name))
        if os.access(path, os.R_OK):
            return path
    return None


def _release_fields(meta: apt_pkg.MetaIndex) -> dict[str, str]:
    path = _release_file(meta)
    if path is None:
        return {}
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = file.read(_HEAD_BYTES).splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line and not line.startswith(" "))
    return {name: value.strip() for name, _, value in pairs}


def _release_time(meta: apt_pkg.MetaIndex, field: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(_release_fields(meta)[field].replace("UTC", "+0000"))
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
