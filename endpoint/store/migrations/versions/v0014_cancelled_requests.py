"""Cancellations that a host has not confirmed are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
_CANCELLED = sa.text("cancel_at IS NOT NULL")


def upgrade() -> None:
    """Create the index."""
    op.create_index("requests_cancelled", "requests", ["host_id"], sqlite_where=_CANCELLED, postgresql_where=_CANCELLED)
