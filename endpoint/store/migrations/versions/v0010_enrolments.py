"""Enrolment: keys, and the hosts that asked with one; which tokens were issued so, and whether they were used."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("tokens", sa.Column("enrolment_key", sa.String(16)))
    op.add_column("tokens", sa.Column("first_used_at", sa.Float))
    op.create_index("ix_tokens_host_id", "tokens", ["host_id"])
    op.create_table(
        "enrolment_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("approve", sa.Boolean, nullable=False),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float),
    )
    op.create_table(
        "enrolments",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("key_id", sa.String(16), sa.ForeignKey("enrolment_keys.id"), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent_version", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("why", sa.String(32)),
        sa.Column("first_asked_at", sa.Float, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("decided_at", sa.Float),
        sa.Column("decided_by", sa.String(64)),
        sa.Column("token_id", sa.String(16)),
        sa.UniqueConstraint("host_id", "instance_id"),
    )
    op.create_index("ix_enrolments_status", "enrolments", ["status"])
