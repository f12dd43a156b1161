"""Silent hosts are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("streams", sa.Column("last_seen_slot", sa.Integer, nullable=False, server_default="0"))
    # SQLite's CAST truncates, PostgreSQL's rounds, and not every SQLite has floor().
    slot = "last_seen_at / 600" if op.get_bind().dialect.name == "sqlite" else "floor(last_seen_at / 600)"
    op.execute(f"UPDATE streams SET last_seen_slot = CAST({slot} AS INTEGER)")  # noqa: S608 - own words
    op.create_index("streams_by_slot", "streams", ["last_seen_slot"])
