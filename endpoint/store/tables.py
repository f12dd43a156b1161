"""The tables, the same in SQLite and PostgreSQL, as `migrations/` makes them; times are Unix seconds."""

import sqlalchemy as sa

METADATA = sa.MetaData()

STREAMS = sa.Table(
    "streams",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("host_id", sa.String(36), nullable=False),
    sa.Column("instance_id", sa.String(36), nullable=False),
    sa.Column("agent_version", sa.String(64), nullable=False),
    sa.Column("first_seen_at", sa.Float, nullable=False),
    sa.Column("last_seen_at", sa.Float, nullable=False),
    # The latest state or heartbeat.
    sa.Column("latest_sequence", sa.BigInteger),
    sa.Column("latest_key", sa.String(64)),
    sa.Column("latest_digest", sa.String(64)),
    sa.Column("state_hash", sa.String(16)),
    # Of the events: enough to see whether any are missing without counting them.
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("highest_event", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    # Events up to this sequence were deleted after their retention; `events` counts the others.
    sa.Column("pruned_upto", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("host_id", "instance_id"),
)
"""One row per stream: one outbox of one host."""

STATES = sa.Table(
    "states",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""The latest state of each stream; a separate table, because every heartbeat rewrites the row in `streams`."""

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("stream", "key"),
)

LOSSES = sa.Table(
    "losses",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first_sequence", sa.BigInteger, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
)
"""Events that agents declared lost; `sequence` is that of the `messages-lost` event."""

REFUSALS = sa.Table(
    "refusals",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
)
"""Rejected events, by sequence."""

TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("host_id", sa.String(36)),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("revoked_at", sa.Float),
)

UPKEEP = sa.Table(
    "upkeep",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("due_at", sa.Float, nullable=False),
)
"""One row: when the next deletion of old data is due, whichever process does it."""

LOCK_GROUPS = sa.Table(
    "lock_groups",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("next_ticket", sa.BigInteger, nullable=False),
    # Mean time of a reboot in this group, in seconds.
    sa.Column("mean_hold_s", sa.Float),
)
"""One row per group of hosts that was ever used; each call locks it, so that the calls of a group are serial."""

LOCK_HOLDERS = sa.Table(
    "lock_holders",
    METADATA,
    sa.Column("group_name", sa.ForeignKey("lock_groups.name"), primary_key=True),
    sa.Column("client_id", sa.String(256), primary_key=True),
    # The host that the credentials are bound to.
    sa.Column("host_id", sa.String(36)),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("last_asked_at", sa.Float, nullable=False),
    sa.Column("reason", sa.String(256), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
)

LOCK_WAITERS = sa.Table(
    "lock_waiters",
    METADATA,
    sa.Column("group_name", sa.ForeignKey("lock_groups.name"), primary_key=True),
    sa.Column("client_id", sa.String(256), primary_key=True),
    sa.Column("host_id", sa.String(36)),
    sa.Column("ticket", sa.BigInteger, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("asked_at", sa.Float, nullable=False),
    sa.Column("hint_s", sa.Float, nullable=False),
    sa.Column("late_s", sa.Float),
    sa.Column("passed", sa.Integer, nullable=False),
    # Not in an index: each request changes it.
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Index("lock_waiters_in_order", "group_name", "ticket"),
)
"""The clients that were refused, in the order of their tickets; see `core.locks.Waiter`."""

LOCK_RELEASES = sa.Table(
    "lock_releases",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("released_at", sa.Float, nullable=False),
    sa.Column("group_name", sa.String(64), nullable=False),
    sa.Column("client_id", sa.String(256), nullable=False),
    sa.Column("host_id", sa.String(36)),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("released_by", sa.String(64), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)
"""Slots that a person released with `locks release`."""
