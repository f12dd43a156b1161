"""The tables, the same in SQLite and PostgreSQL, as `migrations/` makes them; times are Unix seconds."""

import math

import sqlalchemy as sa

METADATA = sa.MetaData()
_SLOT_S = 600
"""The default silence of a host, 15 minutes, less the 5 minutes between its heartbeats: as long as a host is heard of,
it is in a later slot than one that has just fallen silent."""


def seen_slot(at_s: float) -> int:
    """Return the slot of 10 minutes that a time is in."""
    return math.floor(at_s / _SLOT_S)


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
    # Of the latest state's outbox: how many events were queued, and the last one written.
    sa.Column("outbox_depth", sa.BigInteger),
    sa.Column("outbox_last", sa.BigInteger),
    # Whether the last contact said that the host takes requests.
    sa.Column("takes_requests", sa.Boolean, nullable=False, server_default=sa.false()),
    # `seen_slot` of the last contact, for the index: one of the time itself would be written by each heartbeat.
    sa.Column("last_seen_slot", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("host_id", "instance_id"),
    sa.Index("streams_by_slot", "last_seen_slot"),
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
    sa.Column("host_id", sa.String(36), index=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("revoked_at", sa.Float),
    # Of a person's token: a JSON list of tags; null: the whole fleet.
    sa.Column("tags", sa.Text),
    sa.Column("may_reboot", sa.Boolean, nullable=False, server_default=sa.false()),
    # Of a token that an agent got by enrolment: the key, and when it came with the token first.
    sa.Column("enrolment_key", sa.String(16)),
    sa.Column("first_used_at", sa.Float),
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

DEPLOYMENTS = sa.Table(
    "deployments",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("verb", sa.String(64), nullable=False),
    # A JSON object.
    sa.Column("arguments", sa.Text, nullable=False),
    sa.Column("plan_id", sa.String(64)),
    sa.Column("comment", sa.String(256), nullable=False),
    sa.Column("requested_by", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("at_once", sa.Integer, nullable=False),
    sa.Column("stop_after", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    # Counts of its requests, changed with them under a lock of this row.
    sa.Column("in_flight", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    # JSON lists: the verb and arguments of each step, and the hosts that were left out. Null: one step; not known.
    sa.Column("steps", sa.Text),
    sa.Column("left_out", sa.Text),
    # The query of /hosts that chose the hosts. Null: named otherwise.
    sa.Column("selection", sa.Text),
)
"""One row per `maestro-endpoint request`; whoever changes one of its requests locks it first."""

REQUESTS = sa.Table(
    "requests",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("deployment", sa.ForeignKey("deployments.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("host_id", sa.String(36), nullable=False),
    # The canonical form of `maestro.request/1`, and the signature over it.
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("signature", sa.Text),
    sa.Column("status", sa.String(32), nullable=False),
    # Which step of the deployment, from 1: a host gets the next one after this one has ended.
    sa.Column("step", sa.Integer, nullable=False, server_default="1"),
    # The last step that an event of the host reported.
    sa.Column("host_step", sa.String(32)),
    sa.Column("cancel_at", sa.Float),
    sa.Column("delivered_at", sa.Float),
    sa.Column("changed_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float),
    sa.Column("why", sa.String(64)),
    sa.Column("detail", sa.Text),
    sa.Column("run", sa.String(256)),
    sa.Column("signed_by", sa.String(256)),
    sa.Index("requests_in_order", "deployment", "position"),
    sa.Index("requests_of_host", "host_id"),
)
_OPEN = REQUESTS.c.ended_at.is_(None)
sa.Index("requests_open", REQUESTS.c.host_id, sqlite_where=_OPEN, postgresql_where=_OPEN)
"""Each contact of a host that takes requests looks for its open ones; most contacts find none."""
_CANCELLED = REQUESTS.c.cancel_at.is_not(None)
sa.Index("requests_cancelled", REQUESTS.c.host_id, sqlite_where=_CANCELLED, postgresql_where=_CANCELLED)
"""And for those that were cancelled before it was known that the host has them."""

REQUEST_ACTIONS = sa.Table(
    "request_actions",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    # No foreign keys: the record outlives what it is about.
    sa.Column("deployment", sa.String(36), nullable=False, index=True),
    sa.Column("request", sa.String(36)),
    sa.Column("action", sa.String(32), nullable=False),
    # Null: the endpoint itself.
    sa.Column("person", sa.String(64)),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("request_actions_by_time", "at"),
)
"""Who created, signed, cancelled or resumed a deployment, and when one stopped."""

HOST_TAGS = sa.Table(
    "host_tags",
    METADATA,
    sa.Column("host_id", sa.String(36), primary_key=True),
    sa.Column("tag", sa.String(64), primary_key=True),
    # `TagSource`
    sa.Column("source", sa.String(16), primary_key=True),
    sa.Index("host_tags_by_tag", "tag", "source", "host_id"),
)
"""Tags that people set here, and those that the hosts' own configurations give them."""
