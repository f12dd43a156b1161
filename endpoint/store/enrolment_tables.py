"""The tables of enrolment; times are Unix seconds."""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

ENROLMENT_KEYS = sa.Table(
    "enrolment_keys",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    # A JSON list.
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("approve", sa.Boolean, nullable=False),
    # Null: any number.
    sa.Column("max_uses", sa.Integer),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("revoked_at", sa.Float),
)
"""Apart from the tokens: no route but that of enrolment can take a key for one."""

ENROLMENTS = sa.Table(
    "enrolments",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("host_id", sa.String(36), nullable=False),
    sa.Column("instance_id", sa.String(36), nullable=False),
    sa.Column("key_id", sa.ForeignKey("enrolment_keys.id"), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("agent_version", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("why", sa.String(32)),
    sa.Column("first_asked_at", sa.Float, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("decided_at", sa.Float),
    sa.Column("decided_by", sa.String(64)),
    # The last token that was issued for it.
    sa.Column("token_id", sa.String(16)),
    sa.UniqueConstraint("host_id", "instance_id"),
)
"""One row per host and instance that asked for a token."""
