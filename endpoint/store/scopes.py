"""A person's scope as it is stored, and as a condition of a query."""

import json

import sqlalchemy as sa

from endpoint.core.host_tags import TagSource
from endpoint.core.people import Scope
from endpoint.store.tables import HOST_TAGS


def in_scope(host_id: sa.sql.ColumnElement, scope: Scope) -> sa.sql.ColumnElement:
    """Return the condition that the host in a column is in the scope; true for the whole fleet.

    Only the endpoint's own tags count, not those that hosts report.
    """
    if scope.tags is None:
        return sa.true()
    own = HOST_TAGS.c.source == TagSource.ENDPOINT.value
    tagged = sa.select(HOST_TAGS.c.host_id).where(HOST_TAGS.c.tag.in_(sorted(scope.tags)), own)
    return host_id.in_(tagged)


def tags_text(scope: Scope) -> str | None:
    """Return a scope as it is stored; None: the whole fleet."""
    return None if scope.tags is None else json.dumps(sorted(scope.tags))


def scope_of(text: str | None) -> Scope:
    """Return a stored scope."""
    return Scope(tags=None if text is None else frozenset(json.loads(text)))
