"""The columns of packages and fixes of a host."""

from typing import Any

from endpoint.core.host_columns import PackageRow
from endpoint.core.host_fixes import FixKey, FixRow


def package_values(host: int, row: PackageRow, since: float) -> dict[str, Any]:
    """Return the columns of a package."""
    return {
        "host": host,
        "package": row.package,
        "architecture": row.architecture,
        "stage": row.stage.value,
        "why": row.why,
        "until": row.until,
        "installed": row.installed,
        "candidate": row.candidate,
        "security": row.security,
        "since": since,
    }


def fix_values(host: int, key: FixKey, fix: FixRow) -> dict[str, Any]:
    """Return the columns of a fix."""
    return {
        "host": host,
        "cve": key[0],
        "package": key[1],
        "stage": fix.stage.value,
        "pending_since": fix.pending_since,
        "installed_at": fix.installed_at,
        "active_at": fix.active_at,
    }
