"""Requests to hosts: deployments, their requests, who did what with them, and tags of hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Add the column and the tables."""
    op.add_column("streams", sa.Column("takes_requests", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("verb", sa.String(64), nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("plan_id", sa.String(64)),
        sa.Column("comment", sa.String(256), nullable=False),
        sa.Column("requested_by", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("at_once", sa.Integer, nullable=False),
        sa.Column("stop_after", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("in_flight", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    _create_requests()
    op.create_table(
        "request_actions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("deployment", sa.String(36), nullable=False),
        sa.Column("request", sa.String(36)),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("person", sa.String(64)),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_request_actions_deployment", "request_actions", ["deployment"])
    op.create_table(
        "host_tags",
        sa.Column("host_id", sa.String(36), primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("deployment", sa.String(36), sa.ForeignKey("deployments.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("host_id", sa.String(36), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("signature", sa.Text),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("host_step", sa.String(32)),
        sa.Column("cancel_at", sa.Float),
        sa.Column("delivered_at", sa.Float),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("why", sa.String(64)),
        sa.Column("detail", sa.Text),
        sa.Column("run", sa.String(256)),
        sa.Column("signed_by", sa.String(256)),
    )
    op.create_index("requests_in_order", "requests", ["deployment", "position"])
    op.create_index("requests_open", "requests", ["host_id"], sqlite_where=_OPEN, postgresql_where=_OPEN)
