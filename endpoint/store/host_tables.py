"""Tables of what the lists of hosts and fixes show, sort and filter, kept with each stored state.

They can be derived from the states again, except for times: when a package or fix was first seen pending. Times are
Unix seconds. Heartbeats change none of these rows: the last contact is in `streams`.
"""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

_UNKNOWN = -1
"""Of counts by which lists are sorted."""


def known_count(count: int) -> int | None:
    """Return a stored count; None: unknown."""
    return None if count == _UNKNOWN else count


HOSTS = sa.Table(
    "hosts",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("host_id", sa.String(36), nullable=False, unique=True),
    # The stream that was heard of last; the columns below are those of its latest state.
    sa.Column("stream", sa.ForeignKey("streams.id"), nullable=False, index=True),
    # The latest contact of another stream since this one began: clones share an id.
    sa.Column("other_seen_at", sa.Float),
    sa.Column("name", sa.String(1024)),
    # In lower case; empty: no name.
    sa.Column("sort_name", sa.String(1024), nullable=False),
    sa.Column("agent_version", sa.String(64), nullable=False),
    sa.Column("architecture", sa.String(64)),
    # `debian 12`: id and version.
    sa.Column("release", sa.String(128)),
    sa.Column("codename", sa.String(64)),
    sa.Column("release_support", sa.String(64)),
    sa.Column("release_until", sa.String(10)),
    # From when on the release gets no security updates; 0: it had ended when the host reported. Null: unknown.
    sa.Column("ended_at", sa.Float),
    sa.Column("lists_state", sa.String(64)),
    # When lists that the host calls fresh were verified; 0: they are not fresh. Null: unknown.
    sa.Column("lists_good_at", sa.Float),
    sa.Column("health", sa.String(64)),
    # `known_count`
    sa.Column("pending_count", sa.Integer, nullable=False),
    sa.Column("held_count", sa.Integer, nullable=False),
    sa.Column("reboot_required", sa.Boolean),
    sa.Column("reboot_since", sa.String(32)),
    sa.Column("reboot_packages", sa.String(256)),
    sa.Column("kernel_running", sa.String(256)),
    sa.Column("kernel_outdated", sa.Boolean),
    sa.Column("last_result", sa.String(64)),
    sa.Column("last_run_at", sa.String(32)),
    sa.Column("docker_version", sa.String(128)),
    sa.Column("weave_version", sa.String(128)),
    sa.Column("lock_group", sa.String(64)),
    sa.Column("automatic", sa.String(64)),
    sa.Column("patcher", sa.String(64)),
    sa.Column("plan_id", sa.String(64)),
    # Verbs that the host's configuration allows, separated by spaces; null: not reported.
    sa.Column("requests_allow", sa.String(256)),
    sa.Column("requests_signed", sa.Boolean),
    # Of the exposure clock: fixes that are pending or installed and not active; null: unknown.
    sa.Column("inactive_fixes", sa.Integer),
    sa.Column("exposed_since", sa.Float, nullable=False),
    # What `core.host_states` derives from a state alone.
    sa.Column("is_attention", sa.Boolean, nullable=False),
    sa.Column("is_pending", sa.Boolean, nullable=False),
    sa.Column("is_held", sa.Boolean, nullable=False),
    sa.Column("is_reboot", sa.Boolean, nullable=False),
    sa.Column("is_restart", sa.Boolean, nullable=False),
    sa.Column("is_unfinished", sa.Boolean, nullable=False),
    sa.Column("is_unknown", sa.Boolean, nullable=False),
    sa.Column("is_green", sa.Boolean, nullable=False),
    # Of the state, without its time and hash, and of the rows below; equal digests: nothing to compare.
    sa.Column("state_digest", sa.String(32)),
    sa.Column("packages_digest", sa.String(32)),
    sa.Column("fixes_digest", sa.String(32)),
    sa.Column("tags_digest", sa.String(32)),
)
"""One row per host."""

FLAGS = tuple(column for column in HOSTS.columns if column.name.startswith("is_"))
"""Each has an index of the hosts that have it, by name."""
sa.Index("hosts_by_name", HOSTS.c.sort_name, HOSTS.c.id)
sa.Index("hosts_by_exposure", HOSTS.c.exposed_since, HOSTS.c.id, HOSTS.c.inactive_fixes)
sa.Index("hosts_by_pending", HOSTS.c.pending_count, HOSTS.c.id)
sa.Index("hosts_by_lists", HOSTS.c.lists_good_at)
sa.Index("hosts_by_end", HOSTS.c.ended_at)
sa.Index("hosts_by_release", HOSTS.c.release, HOSTS.c.release_support)
sa.Index("hosts_by_version", HOSTS.c.agent_version)
sa.Index("hosts_by_group", HOSTS.c.lock_group)
_SHARED = HOSTS.c.other_seen_at.is_not(None)
sa.Index("hosts_shared", HOSTS.c.other_seen_at, sqlite_where=_SHARED, postgresql_where=_SHARED)
_COUNTED = (HOSTS.c.lists_good_at, HOSTS.c.ended_at, HOSTS.c.other_seen_at)
for _flag in FLAGS:
    sa.Index(
        f"hosts_{_flag.name}", HOSTS.c.sort_name, HOSTS.c.id, *(_COUNTED if _flag is HOSTS.c.is_green else ()),
        sqlite_where=_flag == sa.true(), postgresql_where=_flag == sa.true(),
    )  # fmt: skip

HOST_PACKAGES = sa.Table(
    "host_packages",
    METADATA,
    sa.Column("host", sa.ForeignKey("hosts.id"), primary_key=True, autoincrement=False),
    sa.Column("package", sa.String(256), primary_key=True),
    sa.Column("architecture", sa.String(64), primary_key=True),
    # `PackageStage`
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("why", sa.String(64)),
    sa.Column("until", sa.String(32)),
    sa.Column("installed", sa.String(256)),
    sa.Column("candidate", sa.String(256)),
    # Null: unknown, as of held ones.
    sa.Column("security", sa.Boolean),
    # When this candidate was first reported.
    sa.Column("since", sa.Float, nullable=False),
    sa.Index("host_packages_by_name", "package", "stage", "host"),
    sqlite_with_rowid=False,
)
"""What each host's plan installs, holds back or repairs."""

HOST_FIXES = sa.Table(
    "host_fixes",
    METADATA,
    sa.Column("host", sa.ForeignKey("hosts.id"), primary_key=True, autoincrement=False),
    sa.Column("cve", sa.String(32), primary_key=True),
    sa.Column("package", sa.String(256), primary_key=True),
    # `FixStage`
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("pending_since", sa.Float, nullable=False),
    sa.Column("installed_at", sa.Float),
    sa.Column("active_at", sa.Float),
    sa.Index("host_fixes_by_cve", "cve", "stage", "host", "package"),
    sqlite_with_rowid=False,
)
_ENDED = HOST_FIXES.c.active_at.is_not(None)
sa.Index("host_fixes_active", HOST_FIXES.c.active_at, sqlite_where=_ENDED, postgresql_where=_ENDED)
"""The CVEs that a host's updates fix; active ones are kept for 90 days."""

FIX_COUNTS = sa.Table(
    "fix_counts",
    METADATA,
    sa.Column("cve", sa.String(32), primary_key=True),
    sa.Column("first_seen_at", sa.Float, nullable=False),
    # Rows of `host_fixes` by stage: a host counts once for each package.
    sa.Column("pending", sa.Integer, nullable=False),
    sa.Column("held", sa.Integer, nullable=False),
    sa.Column("installed", sa.Integer, nullable=False),
    sa.Column("active", sa.Integer, nullable=False),
)
"""Changed with `host_fixes`, in the same transaction: millions of rows cannot be counted for a page."""

EXPOSURE_DAYS = sa.Table(
    "exposure_days",
    METADATA,
    # `2026-11-23`, UTC.
    sa.Column("day", sa.String(10), primary_key=True),
    # Empty: the whole fleet.
    sa.Column("tag", sa.String(64), primary_key=True),
    sa.Column("hosts", sa.Integer, nullable=False),
    sa.Column("exposed", sa.Integer, nullable=False),
    sa.Column("oldest_age_s", sa.Float),
    sa.Column("fixes", sa.BigInteger, nullable=False),
)
"""The last figures of each day, written hourly."""
