"""Notifications: the queue, the conditions that are going on, and the one sender."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("failure", sa.String(512)),
    )
    op.create_index("notifications_open", "notifications", ["due_at"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_table(
        "notify_conditions",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("detail", sa.String(512), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("noticed_at", sa.Float),
        sa.Column("ended_at", sa.Float),
    )
    op.create_table(
        "notify_sender",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("watching_since", sa.Float),
        sa.Column("watched_at", sa.Float),
    )
