"""Retention: up to where a stream's events were deleted, and when the next deletion is due."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("streams", sa.Column("pruned_upto", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "upkeep",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("due_at", sa.Float, nullable=False),
    )
