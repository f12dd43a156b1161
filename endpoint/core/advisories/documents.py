"""`maestro.fixes/1` and `maestro.fix/1`. Pure; unknown is None."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from endpoint.core.advisories.model import KevEntry, Notice
from endpoint.core.fleet_model import FixDetail, FixLine, FixPage, FixSummary
from endpoint.core.timestamps import format_utc

FIXES_SCHEMA = "maestro.fixes/1"
FIX_SCHEMA = "maestro.fix/1"


def fixes_document(page: FixPage, kev: Mapping[str, KevEntry]) -> dict[str, Any]:
    """Return `maestro.fixes/1`: one page of the list."""
    following = page.offset + len(page.rows)
    return {
        "schema": FIXES_SCHEMA,
        "as_of": _utc(page.as_of_s),
        "total": page.total,
        "offset": page.offset,
        "next_offset": following if following < page.total else None,
        "fixes": [_summary(row, kev.get(row.cve)) for row in page.rows],
    }


def fix_document(detail: FixDetail, kev: KevEntry | None, notices: Iterable[Notice], now: datetime) -> dict[str, Any]:
    """Return `maestro.fix/1`: a fix, with one page of the hosts where it is not active."""
    return {
        "schema": FIX_SCHEMA,
        "as_of": format_utc(now),
        **_summary(detail.summary, kev),
        "packages": list(detail.packages),
        "hosts_by_stage": {stage.value: number for stage, number in detail.hosts_by_stage.items()},
        "notices": [{"id": one.id, "title": one.title, "published": one.published} for one in notices],
        "hosts": [
            {
                "host_id": one.host.host_id,
                "name": one.host.name,
                "stage": one.stage.value,
                "packages": [_line(line) for line in one.packages],
            }
            for one in detail.hosts
        ],
        "next": detail.next.encode() if detail.next is not None else None,
    }


def _summary(row: FixSummary, kev: KevEntry | None) -> dict[str, Any]:
    return {
        "cve": row.cve,
        "first_seen_at": _utc(row.first_seen_s),
        "counts": {"pending": row.pending, "held": row.held, "installed": row.installed, "active": row.active},
        "kev": None
        if kev is None
        else {"added": kev.added, "due": kev.due, "name": kev.name, "ransomware": kev.ransomware},
    }


def _line(line: FixLine) -> dict[str, Any]:
    return {
        "package": line.package,
        "stage": line.stage.value,
        "pending_since": _utc(line.pending_since_s),
        "installed_at": _utc(line.installed_s) if line.installed_s is not None else None,
        "active_at": _utc(line.active_s) if line.active_s is not None else None,
    }


def _utc(moment_s: float) -> str:
    return format_utc(datetime.fromtimestamp(moment_s, timezone.utc))
