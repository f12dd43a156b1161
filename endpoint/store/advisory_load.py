"""Loads advisories into the database.

OSV records are too many for one transaction, during which no report could be stored in SQLite: each step is a small
one, and the last of a load makes its rows count. A load that was interrupted leaves rows that the next one deletes.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.advisories.model import KevCatalogue, OsvRecord
from endpoint.errors import SourceError, UsageError
from endpoint.store.advisory_files import OsvDirectory
from endpoint.store.advisory_tables import (
    ADVISORY_SOURCES,
    CVE_TEXTS,
    KEV,
    NOTICE_CVES,
    NOTICE_PACKAGES,
    NOTICES,
)
from endpoint.store.database import Database

KEV_SOURCE, OSV_SOURCE = "kev", "osv"
_OF_LOADS = (NOTICE_CVES, NOTICE_PACKAGES, NOTICES, CVE_TEXTS)
_STEP = 500
"""Records in one transaction."""
_DELETED = 200
"""Notices whose rows are deleted in one."""
_KEV_NAMES = [column.name for column in KEV.columns]
_Rows = Mapping[sa.Table, list[dict[str, Any]]]


class AdvisoryLoader:
    """Loads both kinds of advisories."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = {table: database.insert_new(table) for table in _OF_LOADS}
        self._source = database.upsert(ADVISORY_SOURCES)
        self._new_source = database.insert_new(ADVISORY_SOURCES)

    def load_kev(self, catalogue: KevCatalogue, place: Path, now: datetime) -> None:
        """Replace the known exploited vulnerabilities.

        Raises:
            StoreError: the database does not answer; the former ones stay.
        """
        rows = [{name: getattr(entry, name) for name in _KEV_NAMES} for entry in catalogue.entries]
        source = {
            "name": KEV_SOURCE, "load": 1, "last_load": 1, "place": str(place), "loaded_at": now.timestamp(),
            "released": catalogue.released, "entries": len(rows), "refused": catalogue.refused,
        }  # fmt: skip
        self._database.write(lambda connection: self._replace_kev(connection, rows, source))

    def _replace_kev(self, connection: Connection, rows: list[dict[str, Any]], source: Mapping[str, object]) -> None:
        connection.execute(sa.delete(KEV))
        if rows:
            connection.execute(KEV.insert(), rows)
        connection.execute(self._source, source)

    def load_osv(self, directory: OsvDirectory, now: datetime) -> int:
        """Replace notices and descriptions; return how many there are.

        Raises:
            SourceError: a file cannot be used, or no record in them.
            UsageError: another load began meanwhile.
            StoreError: the database does not answer. In each case the former ones stay.
        """
        load = self._database.write(self._begin)
        try:
            loaded = self._add_all(load, directory)
        except SourceError:
            self._delete(load, operator.eq)  # a mirror may stay damaged for many loads
            raise
        values = {
            "load": load, "place": str(directory.directory), "loaded_at": now.timestamp(),
            "entries": loaded, "refused": directory.refused,
        }  # fmt: skip
        self._database.write(lambda connection: _make_current(connection, values))
        self._delete(load, operator.lt)
        return loaded

    def _add_all(self, load: int, directory: OsvDirectory) -> int:
        records, loaded = directory.records(), 0
        while step := list(islice(records, _STEP)):
            rows = _rows(load, step)
            self._database.write(partial(self._add, rows=rows))
            loaded += len(step)
        if not loaded:
            raise SourceError("; ".join(directory.faults) or f"{directory.directory}: no notice and no CVE in it")
        return loaded

    def _begin(self, connection: Connection) -> int:
        """Return the number of a new load."""
        connection.execute(
            self._new_source,
            {"name": OSV_SOURCE, "load": 0, "last_load": 0, "place": "", "entries": 0, "refused": 0},
        )
        of_it = ADVISORY_SOURCES.c.name == OSV_SOURCE
        connection.execute(sa.update(ADVISORY_SOURCES).where(of_it).values(last_load=ADVISORY_SOURCES.c.last_load + 1))
        return int(connection.execute(sa.select(ADVISORY_SOURCES.c.last_load).where(of_it)).scalar())

    def _add(self, connection: Connection, *, rows: _Rows) -> None:
        for table, values in rows.items():
            if values:
                connection.execute(self._insert[table], values)

    def _delete(self, load: int, which: Callable[[Any, int], Any]) -> None:
        """Delete the rows of this load (`eq`) or of those before it (`lt`), in small steps."""
        for table in _OF_LOADS:
            key = table.primary_key.columns.values()[1]
            some = sa.select(table.c.load, key).where(which(table.c.load, load)).distinct().limit(_DELETED)
            gone = sa.delete(table).where(sa.tuple_(table.c.load, key).in_(some))
            while self._database.write(partial(_count, statement=gone)):
                pass


def _count(connection: Connection, *, statement: Any) -> int:
    return int(connection.execute(statement).rowcount)


def _make_current(connection: Connection, values: Mapping[str, object]) -> None:
    of_it = sa.and_(ADVISORY_SOURCES.c.name == OSV_SOURCE, ADVISORY_SOURCES.c.last_load == values["load"])
    if not connection.execute(sa.update(ADVISORY_SOURCES).where(of_it).values(**values)).rowcount:
        raise UsageError("another `advisories load` began meanwhile; its result counts")


def _rows(load: int, records: Iterable[OsvRecord]) -> _Rows:
    rows: dict[sa.Table, list[dict[str, Any]]] = {table: [] for table in _OF_LOADS}
    for record in records:
        if record.text is not None:
            one = record.text
            rows[CVE_TEXTS].append({"load": load, "cve": one.cve, "text": one.text, "priority": one.priority})
        if record.notice is not None:
            notice = record.notice
            rows[NOTICES].append({"load": load, "id": notice.id, "title": notice.title, "published": notice.published})
            own = {"load": load, "notice": notice.id}
            rows[NOTICE_CVES] += [{**own, "cve": cve} for cve in record.cves]
            rows[NOTICE_PACKAGES] += [{**own, "package": name, "version": version} for name, version in record.fixed]
    return rows
