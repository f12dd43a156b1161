"""Reboot slots: the groups, who holds and who waits, and releases by a person."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "lock_groups",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("next_ticket", sa.BigInteger, nullable=False),
        sa.Column("mean_hold_s", sa.Float),
    )
    op.create_table(
        "lock_holders",
        *_key_columns(),
        sa.Column("host_id", sa.String(36)),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("last_asked_at", sa.Float, nullable=False),
        sa.Column("reason", sa.String(256), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_table(
        "lock_waiters",
        *_key_columns(),
        sa.Column("host_id", sa.String(36)),
        sa.Column("ticket", sa.BigInteger, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("hint_s", sa.Float, nullable=False),
        sa.Column("late_s", sa.Float),
        sa.Column("passed", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_index("lock_waiters_in_order", "lock_waiters", ["group_name", "ticket"])
    _create_releases()


def _create_releases() -> None:
    op.create_table(
        "lock_releases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("released_at", sa.Float, nullable=False),
        sa.Column("group_name", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(256), nullable=False),
        sa.Column("host_id", sa.String(36)),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("released_by", sa.String(64), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )


def _key_columns() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("group_name", sa.String(64), sa.ForeignKey("lock_groups.name"), primary_key=True),
        sa.Column("client_id", sa.String(256), primary_key=True),
    )
