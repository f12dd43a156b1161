"""The tables of notifications: what is to be sent, what is going on, and who sends; times are Unix seconds."""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

NOTIFICATIONS = sa.Table(
    "notifications",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    # `maestro.fleet-notification/1`.
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("delivered", sa.Boolean, nullable=False),
    # Of the last attempt that failed.
    sa.Column("failure", sa.String(512)),
)
"""One row for each channel, so that a failure of one repeats nothing on the other."""
_OPEN = NOTIFICATIONS.c.ended_at.is_(None)
sa.Index("notifications_open", NOTIFICATIONS.c.due_at, sqlite_where=_OPEN, postgresql_where=_OPEN)

NOTIFY_CONDITIONS = sa.Table(
    "notify_conditions",
    METADATA,
    sa.Column("kind", sa.String(32), primary_key=True),
    # The id of a host, a fix or a deployment.
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("detail", sa.String(512), nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("noticed_at", sa.Float),
    sa.Column("ended_at", sa.Float),
)
"""See `core.notify.conditions.Condition`."""

NOTIFY_SENDER = sa.Table(
    "notify_sender",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("holder", sa.String(36), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    # See `core.notify.conditions.Watch`.
    sa.Column("watching_since", sa.Float),
    sa.Column("watched_at", sa.Float),
)
"""One row: which process looks for what is new and sends notifications, and until when it has this duty."""
