"""Keeps `hosts` and its rows in step with the states, in the transaction that stores them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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

_LOCKED = (
    sa.select(
        *(HOSTS.c.id, HOSTS.c.host_id, HOSTS.c.stream, HOSTS.c.other_seen_at),
        *(HOSTS.c.packages_digest, HOSTS.c.fixes_digest, HOSTS.c.tags_digest),
    )
    .where(HOSTS.c.host_id.in_(sa.bindparam("names", expanding=True)))
    .order_by(HOSTS.c.host_id)
    .with_for_update()
)
_STATE = sa.select(STATES.c.body).where(STATES.c.stream == sa.bindparam("stream"))
_OTHER = sa.select(sa.func.max(STREAMS.c.last_seen_at)).where(
    STREAMS.c.host_id == sa.bindparam("host"),
    STREAMS.c.id != sa.bindparam("stream"),
    STREAMS.c.last_seen_at > sa.bindparam("since"),
)
_UPDATE = (
    sa.update(HOSTS)
    .where(HOSTS.c.id == sa.bindparam("of"))
    .values({column.name: sa.bindparam(f"new_{column.name}") for column in HOSTS.columns if column.name not in
             {"id", "host_id"}})
)  # fmt: skip
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
    shown_stream: int | None
    """Of which the row was, before the batch."""
    shown_digest: str | None
    """Of the state that the row shows."""

    @property
    def changes_row(self) -> bool:
        """Return whether the row changes: a heartbeat of the stream that it shows changes nothing."""
        if self.shown_stream != self.stream:
            return True
        return self.state is not None and state_digest(self.state.text) != self.shown_digest


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
        updates = [self._update(connection, rows[host], latest[host], changed) for host in sorted(latest)]
        connection.execute(_UPDATE, updates)
        self._counts.write(connection, changed)

    def _update(self, connection: Connection, row: Any, contact: Contact, changed: FixChanges) -> dict[str, Any]:
        other = row.other_seen_at
        text = contact.state.text if contact.state is not None else _stored_text(connection, contact.stream)
        if row.stream != contact.stream or contact.shown_stream is None:
            bound = {"host": contact.host_id, "stream": contact.stream, "since": contact.first_seen_at}
            other = connection.execute(_OTHER, bound).scalar()
        state = contact.state.body if contact.state is not None else json.loads(text) if text is not None else None
        columns = {
            **host_columns(state),
            "stream": contact.stream,
            "other_seen_at": other,
            "agent_version": contact.agent_version,
            "state_digest": state_digest(text) if text is not None else None,
            **self._write_parts(connection, row, state, contact.at, changed),
        }
        return {"of": row.id, **{f"new_{name}": value for name, value in columns.items()}}

    def _write_parts(
        self, connection: Connection, row: Any, state: Mapping[str, Any] | None, at: float, changed: FixChanges
    ) -> dict[str, Any]:
        """Write the packages, fixes and tags that changed; return the new digests."""
        digests = {name: getattr(row, name) for name in ("packages_digest", "fixes_digest", "tags_digest")}
        if state is None:
            return digests
        parts = part_digests(state)
        if parts["tags_digest"] != row.tags_digest:
            self._write_tags(connection, row.host_id, agent_tags(state))
        if parts["fixes_digest"] != row.fixes_digest:
            packages = package_rows(state)
            if parts["packages_digest"] != row.packages_digest:
                write_packages(connection, row.id, packages, at)
            write_fixes(connection, row.id, state, packages, at, changed)
        return parts

    def _write_tags(self, connection: Connection, host_id: str, tags: Iterable[str]) -> None:
        mine = {"host_id": host_id, "source": TagSource.AGENT.value}
        connection.execute(_OLD_TAGS, {"of": host_id})
        rows = [{**mine, "tag": tag} for tag in sorted(tags)]
        if rows:
            connection.execute(self._new_tag, rows)


def _locked(connection: Connection, names: list[str]) -> dict[str, Any]:
    return {row.host_id: row for row in connection.execute(_LOCKED, {"names": names})}


def _stored_text(connection: Connection, stream: int) -> str | None:
    text: str | None = connection.execute(_STATE, {"stream": stream}).scalar()
    return text


def _first_row(contact: Contact) -> dict[str, Any]:
    return {
        **host_columns(None),
        "host_id": contact.host_id,
        "stream": contact.stream,
        "agent_version": contact.agent_version,
    }
