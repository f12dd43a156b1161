"""Notes about hosts; requests found by host, and actions on deployments by time."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table and the indexes."""
    op.create_table(
        "host_notes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_host_notes_host_id", "host_notes", ["host_id"])
    op.create_index("requests_of_host", "requests", ["host_id"])
    op.create_index("request_actions_by_time", "request_actions", ["at"])
