"""The table of saved views."""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

SAVED_VIEWS = sa.Table(
    "saved_views",
    METADATA,
    # No foreign key: single sign-on knows people that `users` does not.
    sa.Column("person", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    # Of /hosts, in canonical form.
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
"""Each person's own: a view for others is its address."""
