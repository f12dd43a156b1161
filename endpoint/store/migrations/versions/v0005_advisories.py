"""Advisories: known exploited vulnerabilities, and the notices of distributions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "advisory_sources",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("load", sa.Integer, nullable=False),
        sa.Column("last_load", sa.Integer, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("loaded_at", sa.Float),
        sa.Column("released", sa.String(32)),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
    )
    op.create_table(
        "kev",
        sa.Column("cve", sa.String(32), primary_key=True),
        sa.Column("added", sa.String(10), nullable=False),
        sa.Column("due", sa.String(10)),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("ransomware", sa.Boolean),
    )
    _create_notices()


def _create_notices() -> None:
    op.create_table(
        "notices",
        *_key("id"),
        sa.Column("title", sa.String(512), nullable=False),
        sa.Column("published", sa.String(10)),
    )
    op.create_table("notice_cves", *_key("notice"), sa.Column("cve", sa.String(32), primary_key=True))
    op.create_index("notice_cves_by_cve", "notice_cves", ["cve"])
    op.create_table(
        "notice_packages",
        *_key("notice"),
        sa.Column("package", sa.String(128), primary_key=True),
        sa.Column("version", sa.String(128), primary_key=True),
    )
    op.create_index("notice_packages_by_version", "notice_packages", ["package", "version"])
    op.create_table(
        "cve_texts",
        sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cve", sa.String(32), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("priority", sa.String(32)),
    )


def _key(name: str) -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("load", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column(name, sa.String(64), primary_key=True),
    )
