"""Keys of rows as one text of the database: thousands of rows, fetched and sent back, take longer than a page."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def read_keys(connection: Connection, queries: list[Any], most: int) -> list[str | None]:
    """Return the keys that each query finds, in one column, as a text for `among`; None: more than `most`."""
    if not queries:
        return []
    texts = [_keys(query.limit(most + 1).subquery(), most, connection.dialect.name) for query in queries]
    return list(connection.execute(sa.select(*(text.scalar_subquery() for text in texts))).one())


def _keys(rows: Any, most: int, dialect: str) -> Any:
    (key,) = rows.columns
    if dialect == "postgresql":
        text = sa.func.coalesce(sa.cast(sa.func.array_agg(key), sa.Text), "{}")
    else:
        text = sa.func.json_group_array(key)
    return sa.select(sa.case((sa.func.count() <= most, text))).select_from(rows)


def among(connection: Connection, key: sa.Column, text: str) -> Any:
    """Return the condition that a column is one of these keys, which either database looks up one by one."""
    if connection.dialect.name == "postgresql":
        return key == sa.any_(sa.cast(sa.literal(text), sa.ARRAY(key.type)))
    return key.in_(sa.select(sa.func.json_each(text).table_valued("value").c.value))
