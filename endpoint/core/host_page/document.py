"""`maestro.host/1`: one host with its report, its updates, its fixes and its runs. Pure; unknown is None."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from endpoint.core.fleet_model import FixLine, HostDetail, PackageLine
from endpoint.core.host_document import host_document
from endpoint.core.host_page.runs import RunView
from endpoint.core.timestamps import format_unix, format_utc

HOST_SCHEMA = "maestro.host/1"


def host_detail_document(detail: HostDetail, runs: Iterable[RunView], now: datetime) -> dict[str, Any]:
    """Return the document; `report` is the latest `maestro.report/1`, as the host sent it."""
    return {
        "schema": HOST_SCHEMA,
        "as_of": format_utc(now),
        "host": host_document(detail.row),
        "agent_names": list(detail.agent_names),
        "first_seen_at": format_unix(detail.first_seen_s),
        "packages": [_package(line) for line in detail.packages],
        "fixes": [_fix(line) for line in detail.fixes],
        "runs": [_run(run) for run in runs],
        "missing_events": detail.missing_events,
        "lost_events": detail.lost_events,
        "refused_messages": detail.refused_messages,
        "report": detail.state,
    }


def _package(line: PackageLine) -> dict[str, Any]:
    return {
        "package": line.package,
        "architecture": line.architecture,
        "stage": line.stage,
        "why": line.why,
        "until": line.until,
        "installed": line.installed,
        "candidate": line.candidate,
        "security": line.security,
        "since": format_unix(line.since_s),
    }


def _fix(line: FixLine) -> dict[str, Any]:
    return {
        "cve": line.cve,
        "package": line.package,
        "stage": line.stage.value,
        "pending_since": format_unix(line.pending_since_s),
        "installed_at": format_unix(line.installed_s),
        "active_at": format_unix(line.active_s),
    }


def _run(run: RunView) -> dict[str, Any]:
    return {
        "id": run.id,
        "kind": run.kind,
        "result": run.result,
        "started_at": format_utc(run.started_at) if run.started_at is not None else None,
        "at": format_utc(run.at) if run.at is not None else None,
        "duration_s": run.duration_s,
        "requested_by": run.by,
        "message": run.message,
        "changes": [
            {
                "what": one.what,
                "package": one.package,
                "from": one.before,
                "to": one.after,
                "detail": one.detail,
            }
            for one in run.changes
        ],
        "more_changes": run.more_changes,
    }
