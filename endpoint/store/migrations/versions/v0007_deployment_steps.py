"""Deployments of several steps, and what a preview has shown: the selection, and who was left out and why."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; what exists has one step."""
    for name in ("steps", "left_out", "selection"):
        op.add_column("deployments", sa.Column(name, sa.Text))
    op.add_column("requests", sa.Column("step", sa.Integer, nullable=False, server_default="1"))
