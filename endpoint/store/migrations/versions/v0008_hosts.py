"""Columns and rows of what lists of hosts and fixes show; they are filled from the states afterwards (`backfill`)."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
_FLAGS = ("attention", "pending", "held", "reboot", "restart", "unfinished", "unknown")


def upgrade() -> None:
    """Add the columns and the tables."""
    for name in ("outbox_depth", "outbox_last"):
        op.add_column("streams", sa.Column(name, sa.BigInteger))
    op.create_table("hosts", *_host_columns(), *_report_columns(), *_derived_columns())
    _create_host_indexes()
    _create_packages()
    _create_fixes()
    op.create_table(
        "exposure_days",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("hosts", sa.Integer, nullable=False),
        sa.Column("exposed", sa.Integer, nullable=False),
        sa.Column("oldest_age_s", sa.Float),
        sa.Column("fixes", sa.BigInteger, nullable=False),
    )
    _add_source_of_tags()


def _host_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("host_id", sa.String(36), nullable=False, unique=True),
        sa.Column("stream", sa.Integer, sa.ForeignKey("streams.id"), nullable=False),
        sa.Column("other_seen_at", sa.Float),
        sa.Column("name", sa.String(1024)),
        sa.Column("sort_name", sa.String(1024), nullable=False),
        sa.Column("agent_version", sa.String(64), nullable=False),
        sa.Column("architecture", sa.String(64)),
        sa.Column("release", sa.String(128)),
        sa.Column("codename", sa.String(64)),
        sa.Column("release_support", sa.String(64)),
        sa.Column("release_until", sa.String(10)),
        sa.Column("ended_at", sa.Float),
        sa.Column("lists_state", sa.String(64)),
        sa.Column("lists_good_at", sa.Float),
    )


def _report_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("health", sa.String(64)),
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
        sa.Column("requests_allow", sa.String(256)),
        sa.Column("requests_signed", sa.Boolean),
    )


def _derived_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("inactive_fixes", sa.Integer),
        sa.Column("exposed_since", sa.Float, nullable=False),
        sa.Column("is_attention", sa.Boolean, nullable=False),
        sa.Column("is_pending", sa.Boolean, nullable=False),
        sa.Column("is_held", sa.Boolean, nullable=False),
        sa.Column("is_reboot", sa.Boolean, nullable=False),
        sa.Column("is_restart", sa.Boolean, nullable=False),
        sa.Column("is_unfinished", sa.Boolean, nullable=False),
        sa.Column("is_unknown", sa.Boolean, nullable=False),
        sa.Column("is_green", sa.Boolean, nullable=False),
        sa.Column("state_digest", sa.String(32)),
        sa.Column("packages_digest", sa.String(32)),
        sa.Column("fixes_digest", sa.String(32)),
        sa.Column("tags_digest", sa.String(32)),
    )


def _create_host_indexes() -> None:
    for name, columns in (
        ("ix_hosts_stream", ["stream"]),
        ("hosts_by_name", ["sort_name", "id"]),
        ("hosts_by_exposure", ["exposed_since", "id", "inactive_fixes"]),
        ("hosts_by_pending", ["pending_count", "id"]),
        ("hosts_by_lists", ["lists_good_at"]),
        ("hosts_by_end", ["ended_at"]),
        ("hosts_by_release", ["release", "release_support"]),
        ("hosts_by_version", ["agent_version"]),
        ("hosts_by_group", ["lock_group"]),
    ):
        op.create_index(name, "hosts", columns)
    _create_partial("hosts_shared", "hosts", ["other_seen_at"], "other_seen_at IS NOT NULL")
    is_true = " = true" if op.get_context().dialect.name == "postgresql" else " = 1"
    for flag in _FLAGS:
        _create_partial(f"hosts_is_{flag}", "hosts", ["sort_name", "id"], f"is_{flag}{is_true}")
    counted = ["sort_name", "id", "lists_good_at", "ended_at", "other_seen_at"]
    _create_partial("hosts_is_green", "hosts", counted, f"is_green{is_true}")


def _create_partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _create_packages() -> None:
    op.create_table(
        "host_packages",
        sa.Column("host", sa.Integer, sa.ForeignKey("hosts.id"), primary_key=True, autoincrement=False),
        sa.Column("package", sa.String(256), primary_key=True),
        sa.Column("architecture", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("why", sa.String(64)),
        sa.Column("until", sa.String(32)),
        sa.Column("installed", sa.String(256)),
        sa.Column("candidate", sa.String(256)),
        sa.Column("security", sa.Boolean),
        sa.Column("since", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("host_packages_by_name", "host_packages", ["package", "stage", "host"])


def _create_fixes() -> None:
    op.create_table(
        "host_fixes",
        sa.Column("host", sa.Integer, sa.ForeignKey("hosts.id"), primary_key=True, autoincrement=False),
        sa.Column("cve", sa.String(32), primary_key=True),
        sa.Column("package", sa.String(256), primary_key=True),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("pending_since", sa.Float, nullable=False),
        sa.Column("installed_at", sa.Float),
        sa.Column("active_at", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_index("host_fixes_by_cve", "host_fixes", ["cve", "stage", "host", "package"])
    _create_partial("host_fixes_active", "host_fixes", ["active_at"], "active_at IS NOT NULL")
    op.create_table(
        "fix_counts",
        sa.Column("cve", sa.String(32), primary_key=True),
        sa.Column("first_seen_at", sa.Float, nullable=False),
        sa.Column("pending", sa.Integer, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("installed", sa.Integer, nullable=False),
        sa.Column("active", sa.Integer, nullable=False),
    )


def _add_source_of_tags() -> None:
    """Rebuild the table: its key changes."""
    op.create_table(
        "host_tags_by_source",
        sa.Column("host_id", sa.String(36), primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(16), primary_key=True),
    )
    op.execute("INSERT INTO host_tags_by_source SELECT host_id, tag, 'endpoint' FROM host_tags")
    op.drop_table("host_tags")
    op.rename_table("host_tags_by_source", "host_tags")
    op.create_index("host_tags_by_tag", "host_tags", ["tag", "source", "host_id"])
