"""Streams, states, events, losses, refusals and tokens: the tables of the first database."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "streams",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("agent_version", sa.String(64), nullable=False),
        sa.Column("first_seen_at", sa.Float, nullable=False),
        sa.Column("last_seen_at", sa.Float, nullable=False),
        sa.Column("latest_sequence", sa.BigInteger),
        sa.Column("latest_key", sa.String(64)),
        sa.Column("latest_digest", sa.String(64)),
        sa.Column("state_hash", sa.String(16)),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("highest_event", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("host_id", "instance_id"),
    )
    op.create_table(
        "states",
        sa.Column("stream", sa.Integer, sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        # Else PostgreSQL compresses each state into the TOAST table, only to delete it with the next one.
        op.execute("ALTER TABLE states SET (toast_tuple_target = 8160)")
    _create_events()
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("host_id", sa.String(36)),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        *_key_columns(),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("stream", "key"),
    )
    op.create_table(
        "losses",
        *_key_columns(),
        sa.Column("first_sequence", sa.BigInteger, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
    )
    op.create_table(
        "refusals",
        *_key_columns(),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
    )


def _key_columns() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("stream", sa.Integer, sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    )
