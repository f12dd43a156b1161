"""Queries for advisories: what is known of CVEs, and of exact versions of packages."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.advisories.model import AdvisorySource, CveText, KevEntry, Notice
from endpoint.store.advisory_tables import (
    ADVISORY_SOURCES,
    CVE_TEXTS,
    KEV,
    NOTICE_CVES,
    NOTICE_PACKAGES,
    NOTICES,
)
from endpoint.store.database import Database

_AT_ONCE = 400
"""Values in one statement: SQLite takes 999."""
_PAIRS_AT_ONCE = 30
_CURRENT = sa.select(ADVISORY_SOURCES.c.load).where(ADVISORY_SOURCES.c.name == "osv").scalar_subquery()
_KEV = sa.select(KEV).where(KEV.c.cve.in_(sa.bindparam("wanted", expanding=True)))
_TEXTS = sa.select(CVE_TEXTS).where(
    CVE_TEXTS.c.load == _CURRENT, CVE_TEXTS.c.cve.in_(sa.bindparam("wanted", expanding=True))
)
_OF_CVES = (
    sa.select(NOTICE_CVES.c.cve, NOTICES)
    .join_from(
        NOTICE_CVES, NOTICES, sa.and_(NOTICES.c.load == NOTICE_CVES.c.load, NOTICES.c.id == NOTICE_CVES.c.notice)
    )
    .where(NOTICE_CVES.c.load + 0 == _CURRENT, NOTICE_CVES.c.cve.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(NOTICES.c.id)
)
_OF_VERSIONS = (
    sa.select(NOTICE_PACKAGES.c.package, NOTICE_PACKAGES.c.version, NOTICES)
    .join_from(
        NOTICE_PACKAGES,
        NOTICES,
        sa.and_(NOTICES.c.load == NOTICE_PACKAGES.c.load, NOTICES.c.id == NOTICE_PACKAGES.c.notice),
    )
    .where(
        NOTICE_PACKAGES.c.load + 0 == _CURRENT,  # not by the primary key, whose first column it is: all rows have it
        # Both by the index; SQLite would go through all rows for pairs.
        NOTICE_PACKAGES.c.package.in_(sa.bindparam("packages", expanding=True)),
        NOTICE_PACKAGES.c.version.in_(sa.bindparam("versions", expanding=True)),
    )
    .order_by(NOTICES.c.id)
)
_CVES_OF_NOTICE = (
    sa.select(NOTICE_CVES.c.cve)
    .where(NOTICE_CVES.c.load == _CURRENT, NOTICE_CVES.c.notice == sa.bindparam("notice"))
    .order_by(NOTICE_CVES.c.cve)
)


class Advisories:
    """All queries; each returns only what is known, by its key.

    All raise `StoreError` if the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def kev(self, cves: Iterable[str]) -> dict[str, KevEntry]:
        """Return the entries of known exploited vulnerabilities, by CVE."""
        return {row.cve: _kev(row) for row in self._rows(_KEV, cves)}

    def of_cve(self, cve: str) -> tuple[KevEntry | None, tuple[Notice, ...]]:
        """Return the entry of known exploited vulnerabilities and the notices of one CVE, in one transaction."""
        values = {"wanted": [cve]}
        entry, notices = self._database.read(
            lambda connection: (
                connection.execute(_KEV, values).first(),
                connection.execute(_OF_CVES, values).all(),
            )
        )
        return _kev(entry) if entry is not None else None, tuple(map(_notice, notices))

    def texts(self, cves: Iterable[str]) -> dict[str, CveText]:
        """Return the descriptions, by CVE."""
        rows = self._rows(_TEXTS, cves)
        return {row.cve: CveText(cve=row.cve, text=row.text, priority=row.priority) for row in rows}

    def notices_of_cves(self, cves: Iterable[str]) -> dict[str, tuple[Notice, ...]]:
        """Return the notices that name a CVE, by CVE."""
        found: dict[str, list[Notice]] = defaultdict(list)
        for row in self._rows(_OF_CVES, cves):
            found[row.cve].append(_notice(row))
        return {cve: tuple(notices) for cve, notices in found.items()}

    def notices_of_versions(self, versions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[Notice, ...]]:
        """Return the notices that name exactly this version as fixed, by package and version."""
        wanted = sorted(set(versions))
        if not wanted:
            return {}
        found: dict[tuple[str, str], list[Notice]] = defaultdict(list)
        for row in self._database.read(lambda connection: _of_versions(connection, wanted)):
            found[row.package, row.version].append(_notice(row))
        return {key: tuple(notices) for key, notices in found.items()}

    def cves_of_notice(self, notice: str) -> tuple[str, ...]:
        """Return the CVEs that a notice names; empty if it is unknown."""
        values = {"notice": notice}
        return tuple(self._database.read(lambda connection: connection.execute(_CVES_OF_NOTICE, values).scalars()))

    def sources(self) -> tuple[AdvisorySource, ...]:
        """Return what is loaded."""
        wanted = (
            sa.select(ADVISORY_SOURCES)
            .where(ADVISORY_SOURCES.c.loaded_at.is_not(None))
            .order_by(ADVISORY_SOURCES.c.name)
        )
        return tuple(
            AdvisorySource(
                name=row.name,
                place=row.place,
                loaded_s=row.loaded_at,
                released=row.released,
                entries=row.entries,
                refused=row.refused,
            )
            for row in self._database.read(lambda connection: connection.execute(wanted).all())
        )

    def _rows(self, statement: Any, keys: Iterable[Any]) -> list[Any]:
        wanted = sorted(set(keys))
        if not wanted:
            return []
        return self._database.read(lambda connection: _in_parts(connection, statement, wanted))


def _kev(row: Any) -> KevEntry:
    return KevEntry(
        cve=row.cve, added=row.added, due=row.due, name=row.name, action=row.action, ransomware=row.ransomware
    )


def _in_parts(connection: Connection, statement: Any, wanted: list[Any]) -> list[Any]:
    parts = [wanted[at : at + _AT_ONCE] for at in range(0, len(wanted), _AT_ONCE)]
    values: list[Mapping[str, Any]] = [{"wanted": part} for part in parts]
    return [row for one in values for row in connection.execute(statement, one)]


def _of_versions(connection: Connection, wanted: list[tuple[str, str]]) -> list[Any]:
    found: list[Any] = []
    for at in range(0, len(wanted), _PAIRS_AT_ONCE):
        part = wanted[at : at + _PAIRS_AT_ONCE]
        values = {"packages": sorted({name for name, _ in part}), "versions": sorted({version for _, version in part})}
        found += [row for row in connection.execute(_OF_VERSIONS, values) if (row.package, row.version) in part]
    return found


def _notice(row: Any) -> Notice:
    return Notice(id=row.id, title=row.title, published=row.published)
