"""The tables of advisories, as `tables.py`; they are loaded from files and hold nothing of hosts."""

import sqlalchemy as sa

from endpoint.store.tables import METADATA

ADVISORY_SOURCES = sa.Table(
    "advisory_sources",
    METADATA,
    # "kev" or "osv".
    sa.Column("name", sa.String(16), primary_key=True),
    # The load whose rows count, and the number of the last one that began.
    sa.Column("load", sa.Integer, nullable=False),
    sa.Column("last_load", sa.Integer, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    # Null: it began, and none has ended.
    sa.Column("loaded_at", sa.Float),
    sa.Column("released", sa.String(32)),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
)

KEV = sa.Table(
    "kev",
    METADATA,
    sa.Column("cve", sa.String(32), primary_key=True),
    sa.Column("added", sa.String(10), nullable=False),
    sa.Column("due", sa.String(10)),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("ransomware", sa.Boolean),
)
"""CISA's known exploited vulnerabilities; replaced as a whole."""

# The others are too large for one transaction: the rows of a new load are added beside those of the load that counts.
NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("title", sa.String(512), nullable=False),
    sa.Column("published", sa.String(10)),
)

NOTICE_CVES = sa.Table(
    "notice_cves",
    METADATA,
    sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("notice", sa.String(64), primary_key=True),
    sa.Column("cve", sa.String(32), primary_key=True),
    sa.Index("notice_cves_by_cve", "cve"),
)

NOTICE_PACKAGES = sa.Table(
    "notice_packages",
    METADATA,
    sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("notice", sa.String(64), primary_key=True),
    sa.Column("package", sa.String(128), primary_key=True),
    sa.Column("version", sa.String(128), primary_key=True),
    sa.Index("notice_packages_by_version", "package", "version"),
)
"""Packages with exactly the version that a notice names as fixed."""

CVE_TEXTS = sa.Table(
    "cve_texts",
    METADATA,
    sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cve", sa.String(32), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("priority", sa.String(32)),
)
