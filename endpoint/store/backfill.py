"""Fills the rows of hosts from the states of a database that was made before them, in the migration's transaction.

Also the flags that older versions derived from the states by other rules. A few hundred hosts are in memory at a time.
It uses the tables as they are now, not those of its revision: it runs after all migrations.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint import log
from endpoint.core.host_columns import agent_tags, host_columns, package_rows, part_digests, state_digest
from endpoint.core.host_fixes import FixStage, next_fixes
from endpoint.core.host_tags import TagSource
from endpoint.store.host_tables import FIX_COUNTS, FLAGS, HOST_FIXES, HOST_PACKAGES, HOSTS
from endpoint.store.host_values import fix_values, package_values
from endpoint.store.tables import HOST_TAGS, STATES, STREAMS

_CHUNK = 200
_PROGRESS = 10_000
_CACHE_KIB = 65536
"""Of this connection: the indexes are filled in random order."""
_NAMES = sa.select(STREAMS.c.host_id).distinct().order_by(STREAMS.c.host_id).limit(_CHUNK)
_STREAMS = (
    sa.select(STREAMS, STATES.c.body, STATES.c.received_at)
    .select_from(STREAMS.outerjoin(STATES))
    .order_by(STREAMS.c.host_id, STREAMS.c.id)
)
_OUTBOX = (
    sa.update(STREAMS)
    .where(STREAMS.c.id == sa.bindparam("of"))
    .values(outbox_depth=sa.bindparam("depth"), outbox_last=sa.bindparam("last"))
)
_SHOWN = (
    sa.select(HOSTS.c.id, *FLAGS, STATES.c.body)
    .join_from(HOSTS, STATES, STATES.c.stream == HOSTS.c.stream)
    .where(HOSTS.c.id > sa.bindparam("last"))
    .order_by(HOSTS.c.id)
    .limit(_CHUNK)
)
_FLAGS = tuple(flag.name for flag in FLAGS)
_FLAG = (
    sa.update(HOSTS)
    .where(HOSTS.c.id == sa.bindparam("of"))
    .values({name: sa.bindparam(f"new_{name}") for name in _FLAGS})
)
Rows = dict[sa.Table, list[dict[str, Any]]]


def backfill(connection: Connection) -> None:
    """Fill the tables, which are empty."""
    _prepare(connection)
    done = 0
    for names in _chunks(connection):
        _fill(connection, names)
        done = _progress(done, len(names))
    if done:
        _count_fixes(connection)
        log.event("migration.done", hosts=done)


def derive_flags(connection: Connection) -> None:
    """Write the flags of all hosts again, by the rules of today."""
    _prepare(connection)
    done = last = 0
    while rows := connection.execute(_SHOWN, {"last": last}).all():
        changed = [values for row in rows if (values := _changed_flags(row)) is not None]
        if changed:
            connection.execute(_FLAG, changed)
        last, done = rows[-1].id, _progress(done, len(rows))
    if done:
        log.event("migration.done", hosts=done)


def _changed_flags(row: Any) -> dict[str, Any] | None:
    columns = host_columns(json.loads(row.body))
    if all(columns[name] == getattr(row, name) for name in _FLAGS):
        return None
    return {"of": row.id, **{f"new_{name}": columns[name] for name in _FLAGS}}


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    else:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _progress(done: int, more: int) -> int:
    done += more
    if done % _PROGRESS < _CHUNK <= done:
        log.event("migration.progress", hosts=done)
    return done


def _chunks(connection: Connection) -> Iterator[list[str]]:
    last = ""
    while names := list(connection.execute(_NAMES.where(STREAMS.c.host_id > last)).scalars()):
        yield names
        last = names[-1]


def _fill(connection: Connection, names: Sequence[str]) -> None:
    hosts, outboxes = _read(connection, names)
    if outboxes:
        connection.execute(_OUTBOX, outboxes)
    connection.execute(HOSTS.insert(), [_host(newest, streams, state) for newest, streams, state in hosts])
    ids = dict(connection.execute(sa.select(HOSTS.c.host_id, HOSTS.c.id).where(HOSTS.c.host_id.in_(names))).all())
    made: Rows = {HOST_PACKAGES: [], HOST_FIXES: [], HOST_TAGS: []}
    for newest, _, state in hosts:
        if state is not None:
            _add_parts(made, ids[newest.host_id], newest, state)
    for table, values in made.items():
        if values:
            _insert(connection, table, values)


def _insert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with the same columns in the same order; SQLite takes them half as fast through SQLAlchemy."""
    if connection.dialect.name != "sqlite":
        connection.execute(table.insert(), rows)
        return
    names = ", ".join(rows[0])
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - own names
    connection.exec_driver_sql(statement, [tuple(row.values()) for row in rows])


def _read(connection: Connection, names: Sequence[str]) -> tuple[list[tuple[Any, Any, Any]], list[dict[str, Any]]]:
    """Return the newest stream of each host, all its streams and its state; and the outbox of each stream."""
    rows = connection.execute(_STREAMS.where(STREAMS.c.host_id.in_(names))).all()
    reports = {row.id: json.loads(row.body) for row in rows if row.body is not None}
    outboxes = [
        {"of": stream, "depth": outbox.get("depth"), "last": outbox.get("last_sequence")}
        for stream, report in reports.items()
        for outbox in [report.get("outbox") or {}]
    ]
    hosts = []
    for _, group in groupby(rows, key=lambda row: row.host_id):
        streams = list(group)
        newest = max(streams, key=lambda row: row.last_seen_at)
        hosts.append((newest, streams, reports.get(newest.id)))
    return hosts, outboxes


def _host(newest: Any, streams: Sequence[Any], state: Mapping[str, Any] | None) -> dict[str, Any]:
    others = [
        stream.last_seen_at for stream in streams if stream is not newest and stream.last_seen_at > newest.first_seen_at
    ]
    no_digests = dict.fromkeys(("state_digest", "packages_digest", "fixes_digest", "tags_digest"))
    return {
        **host_columns(state),
        **(no_digests if state is None else {**part_digests(state), "state_digest": state_digest(newest.body)}),
        "host_id": newest.host_id,
        "stream": newest.id,
        "other_seen_at": max(others, default=None),
        "agent_version": newest.agent_version,
    }


def _add_parts(made: Rows, host: int, newest: Any, state: Mapping[str, Any]) -> None:
    tag = {"host_id": newest.host_id, "source": TagSource.AGENT.value}
    made[HOST_TAGS] += [{**tag, "tag": one} for one in sorted(agent_tags(state))]
    packages = package_rows(state)
    made[HOST_PACKAGES] += [package_values(host, row, newest.received_at) for row in packages]
    fixes = next_fixes({}, state, packages, newest.received_at)
    made[HOST_FIXES] += [fix_values(host, key, fix) for key, fix in fixes.items()]


def _count_fixes(connection: Connection) -> None:
    stages = [sa.func.sum(sa.case((HOST_FIXES.c.stage == stage.value, 1), else_=0)) for stage in FixStage]
    counted = sa.select(HOST_FIXES.c.cve, sa.func.min(HOST_FIXES.c.pending_since), *stages).group_by(HOST_FIXES.c.cve)
    names = ["cve", "first_seen_at", *(stage.value for stage in FixStage)]
    connection.execute(FIX_COUNTS.insert().from_select(names, counted))
