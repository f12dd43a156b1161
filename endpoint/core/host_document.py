"""The list of hosts and the overview as documents: `maestro.hosts/1` and `maestro.overview/1`. Pure."""

from collections.abc import Iterable
from typing import Any

from endpoint.core.fleet_model import CurveDay, HostPage, HostRow, Overview
from endpoint.core.host_states import HostState
from endpoint.core.timestamps import format_unix

HOSTS_SCHEMA = "maestro.hosts/1"
OVERVIEW_SCHEMA = "maestro.overview/1"


def host_document(row: HostRow) -> dict[str, Any]:
    """Return one host of a list; unknown is null."""
    return {
        "host_id": row.host_id,
        "name": row.name,
        "states": [state.value for state in HostState if state in row.states],
        "tags": list(row.tags),
        "agent_tags": list(row.agent_tags),
        "agents": row.agents,
        "agent_version": row.agent_version,
        "architecture": row.architecture,
        "release": row.release,
        "codename": row.codename,
        "release_support": row.release_support,
        "release_until": row.release_until,
        "last_seen_at": format_unix(row.last_seen_s),
        "reported_at": format_unix(row.reported_s),
        "health": row.health,
        "lists": row.lists_state,
        "pending": row.pending,
        "held": row.held,
        "reboot_required": row.reboot_required,
        "reboot_since": row.reboot_since,
        "kernel_running": row.kernel_running,
        "kernel_outdated": row.kernel_outdated,
        "last_result": row.last_result,
        "last_run_at": row.last_run_at,
        "docker": row.docker_version,
        "weave": row.weave_version,
        "lock_group": row.lock_group,
        "automatic": row.automatic,
        "patcher": row.patcher,
        "takes_requests": row.takes_requests,
        "inactive_fixes": row.inactive_fixes,
        "exposed_since": format_unix(row.exposed_since_s),
    }


def hosts_document(page: HostPage, after: str | None) -> dict[str, Any]:
    """Return one page; `after` is the value of that parameter for the next one."""
    return {
        "schema": HOSTS_SCHEMA,
        "as_of": format_unix(page.as_of_s),
        "total": page.total,
        "hosts": [host_document(row) for row in page.rows],
        "next": after,
    }


def overview_document(overview: Overview, curve: Iterable[CurveDay]) -> dict[str, Any]:
    """Return the overview with its curve."""
    oldest = overview.oldest
    return {
        "schema": OVERVIEW_SCHEMA,
        "as_of": format_unix(overview.as_of_s),
        "hosts": overview.hosts,
        "states": {state.value: overview.counts.get(state, 0) for state in HostState},
        "exposure": {
            "hosts": overview.exposed,
            "fixes": overview.inactive_fixes,
            "oldest": None
            if oldest is None
            else {"host_id": oldest.host_id, "name": oldest.name, "since": format_unix(oldest.since_s)},
            "days": [
                {
                    "day": one.day,
                    "hosts": one.hosts,
                    "exposed": one.exposed,
                    "oldest_age_s": one.oldest_age_s,
                    "fixes": one.fixes,
                }
                for one in curve
            ],
        },
        "releases": [{"release": one.release, "support": one.support, "hosts": one.hosts} for one in overview.releases],
        "agent_versions": [{"version": version, "hosts": hosts} for version, hosts in overview.versions],
        "lock_groups": [{"group": group, "hosts": hosts} for group, hosts in overview.groups],
        "tags": [{"tag": tag, "hosts": hosts} for tag, hosts in overview.tags],
    }
