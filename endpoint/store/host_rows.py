"""Keeps `hosts` and its rows in step with the states, in the transaction that stores them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.host_columns import agent_tags, host_columns, package_rows, part_digests, state_digest
from endpoint.core.host_tags import TagSource
from endpoint.core.messages import Message
from endpoint.store.database import Database
from endpoint.store.host_parts import FixChanges, FixCounts, write_fixes, write_packages
from endpoint.store.host_tables import HOSTS
from endpoint.store.tables import HOST_TAGS, STATES, STREAMS

SHOWN = (HOSTS.c.stream.label("shown_stream"), HOSTS.c.state_digest.label("shown_digest"))
"""Of the row of a host: what decides whether it changes."""
_LOCKED = (
    sa.select(HOSTS)
    .where(HOSTS.c.host_id.in_(sa.bindparam("names", expanding=True)))
    .order_by(HOSTS.c.host_id)
    .with_for_update()
)
_COLUMNS = tuple(column.name for column in HOSTS.columns)
Columns = Mapping[str, Any]
"""A row of `hosts` by name."""
_STATE = sa.select(STATES.c.body).where(STATES.c.stream == sa.bindparam("stream"))
_OTHER = sa.select(sa.func.max(STREAMS.c.last_seen_at)).where(
    STREAMS.c.host_id == sa.bindparam("host"),
    STREAMS.c.id != sa.bindparam("stream"),
    STREAMS.c.last_seen_at > sa.bindparam("since"),
)
_OLD_TAGS = sa.delete(HOST_TAGS).where(
    HOST_TAGS.c.host_id == sa.bindparam("of"), HOST_TAGS.c.source == TagSource.AGENT.value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A stored batch, as far as the row of its host depends on it; times are Unix seconds."""

    host_id: str
    stream: int
    first_seen_at: float
    at: float
    agent_version: str
    state: Message | None
    """The report that it has brought."""
    digest: str | None
    """Of that report (`state_digest`)."""
    shown_stream: int | None
    """Of which the row was, before the batch."""
    shown_digest: str | None
    """Of the state that the row shows."""

    @property
    def changes_row(self) -> bool:
        """Return whether the row changes: a heartbeat of the stream that it shows changes nothing."""
        if self.shown_stream != self.stream:
            return True
        return self.state is not None and self.digest != self.shown_digest


class HostRows:
    """Writes the rows of hosts; `connection` is that of the transaction with the states."""

    def __init__(self, database: Database) -> None:
        self._new = database.insert_new(HOSTS)
        self._counts = FixCounts(database)
        self._new_tag = database.insert_new(HOST_TAGS)

    def apply(self, connection: Connection, contacts: Sequence[Contact]) -> None:
        """Bring the rows up to date after these contacts, in their order.

        Rows are locked in the order of their host ids, after all streams: processes cannot deadlock.
        """
        latest = {contact.host_id: contact for contact in contacts if contact.changes_row}
        if not latest:
            return
        rows = _locked(connection, list(latest))
        missing = [latest[host] for host in sorted(latest) if host not in rows]
        if missing:
            connection.execute(self._new, [_first_row(contact) for contact in missing])
            rows = _locked(connection, list(latest))
        changed = FixChanges()
        for host in sorted(latest):
            self._update(connection, rows[host], latest[host], changed)
        self._counts.write(connection, changed)

    def _update(self, connection: Connection, row: Columns, contact: Contact, changed: FixChanges) -> None:
        state, digest, other = contact.state.body if contact.state else None, contact.digest, row["other_seen_at"]
        if contact.shown_stream != contact.stream:
            bound = {"host": contact.host_id, "stream": contact.stream, "since": contact.first_seen_at}
            other = connection.execute(_OTHER, bound).scalar()
            text = None if contact.state else connection.execute(_STATE, {"stream": contact.stream}).scalar()
            if text is not None:
                state, digest = json.loads(text), state_digest(text)
        columns = {
            **host_columns(state),
            "stream": contact.stream,
            "other_seen_at": other,
            "agent_version": contact.agent_version,
            "state_digest": digest,
        }
        if state is not None:
            columns |= self._write_parts(connection, row, state, contact.at, changed)
        values = {name: value for name, value in columns.items() if value != row[name]}
        if values:
            connection.execute(_update_of(tuple(values)), {"of": row["id"], **_bound(values)})

    def _write_parts(
        self, connection: Connection, row: Columns, state: Mapping[str, Any], at: float, changed: FixChanges
    ) -> dict[str, str]:
        """Write the packages, fixes and tags that changed; return the digests."""
        parts = part_digests(state)
        if parts["tags_digest"] != row["tags_digest"]:
            self._write_tags(connection, row["host_id"], agent_tags(state))
        if parts["fixes_digest"] != row["fixes_digest"]:
            packages = package_rows(state)
            if parts["packages_digest"] != row["packages_digest"]:
                write_packages(connection, row["id"], packages, at)
            write_fixes(connection, row["id"], state, packages, at, changed)
        return parts

    def _write_tags(self, connection: Connection, host_id: str, tags: Iterable[str]) -> None:
        mine = {"host_id": host_id, "source": TagSource.AGENT.value}
        connection.execute(_OLD_TAGS, {"of": host_id})
        rows = [{**mine, "tag": tag} for tag in sorted(tags)]
        if rows:
            connection.execute(self._new_tag, rows)


def _locked(connection: Connection, names: list[str]) -> dict[str, Columns]:
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in connection.execute(_LOCKED, {"names": names}))
    return {row["host_id"]: row for row in rows}


@lru_cache(maxsize=256)
def _update_of(names: tuple[str, ...]) -> Any:
    """Return the UPDATE of these columns: SQLite writes every index of a column that is named, changed or not."""
    return (
        sa.update(HOSTS)
        .where(HOSTS.c.id == sa.bindparam("of"))
        .values({name: sa.bindparam(f"new_{name}") for name in names})
    )


def _bound(values: Columns) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in values.items()}


def _first_row(contact: Contact) -> dict[str, Any]:
    return {
        **host_columns(None),
        "host_id": contact.host_id,
        "stream": contact.stream,
        "agent_version": contact.agent_version,
    }
