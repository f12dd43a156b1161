"""The tables, the same in SQLite and in PostgreSQL; times are Unix seconds by the centre's clock."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn

METADATA = sa.MetaData()
_SETTLING = 0x6D6165
"""The number of a lock of our own, which nobody else in that database is likely to take."""

STREAMS = sa.Table(
    "streams",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("host_id", sa.String(36), nullable=False),
    sa.Column("instance_id", sa.String(36), nullable=False),
    sa.Column("agent_version", sa.String(64), nullable=False),
    sa.Column("first_seen_at", sa.Float, nullable=False),
    sa.Column("last_seen_at", sa.Float, nullable=False),
    # The last state or heartbeat.
    sa.Column("latest_sequence", sa.BigInteger),
    sa.Column("latest_key", sa.String(64)),
    sa.Column("latest_digest", sa.String(64)),
    sa.Column("state_hash", sa.String(16)),
    # Of the events: enough to see without counting whether any are missing.
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("highest_event", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    # Up to there events were kept long enough and are no longer; `events` counts those that are there.
    sa.Column("pruned_upto", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("host_id", "instance_id"),
)
"""One outbox of one host each."""

STATES = sa.Table(
    "states",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""The latest state of each stream, apart from what every heartbeat rewrites."""
# PostgreSQL would compress each state and put it into another table, only to throw it away with the next one.
sa.event.listen(
    STATES,
    "after_create",
    sa.DDL("ALTER TABLE states SET (toast_tuple_target = 8160)").execute_if(dialect="postgresql"),
)

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
"""What agents declared lost; `sequence` is that of the event that told."""

REFUSALS = sa.Table(
    "refusals",
    METADATA,
    sa.Column("stream", sa.ForeignKey("streams.id"), primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
)
"""Events whose body could not be taken, by sequence."""

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
"""One row: when what is old is to be thrown away next, whichever process does it."""


def migrate(connection: Connection) -> None:
    """Make the tables and columns that are not there: a database may be older than this program, or empty."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SETTLING})")  # two may begin at once
    METADATA.create_all(connection)
    inspector = sa.inspect(connection)
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                words = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {words}")
