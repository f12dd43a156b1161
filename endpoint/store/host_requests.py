"""The requests that were made of one host, with what was requested and by whom."""

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from endpoint.core.deployments import ENDED
from endpoint.store.database import Database
from endpoint.store.tables import DEPLOYMENTS, REQUESTS

_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRequest:
    """One request."""

    id: str
    deployment: str
    verb: str
    by: str
    comment: str
    created_s: float
    changed_s: float
    status: str
    why: str | None
    detail: str | None
    run: str | None
    ended: bool


class HostRequests:
    """The query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, host_id: str) -> tuple[HostRequest, ...]:
        """Return the latest requests, open ones first.

        Raises:
            StoreError: the database does not answer.
        """
        named = (
            DEPLOYMENTS.c.verb,
            DEPLOYMENTS.c.steps,
            DEPLOYMENTS.c.requested_by,
            DEPLOYMENTS.c.comment,
            DEPLOYMENTS.c.created_at,
        )
        wanted = (
            sa.select(REQUESTS, *named)
            .join_from(REQUESTS, DEPLOYMENTS, DEPLOYMENTS.c.id == REQUESTS.c.deployment)
            .where(REQUESTS.c.host_id == host_id)
            .order_by(REQUESTS.c.ended_at.is_not(None), DEPLOYMENTS.c.created_at.desc(), REQUESTS.c.position)
            .limit(_MOST)
        )
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return tuple(
            HostRequest(
                id=row.id,
                deployment=row.deployment,
                verb=_verb(row),
                by=row.requested_by,
                comment=row.comment,
                created_s=row.created_at,
                changed_s=row.changed_at,
                status=row.status,
                why=row.why,
                detail=row.detail,
                run=row.run,
                ended=row.status in _ENDED,
            )
            for row in rows
        )


_ENDED = frozenset(status.value for status in ENDED)


def _verb(row: Any) -> str:
    """Return the verb of the request's own step; deployments of one step have the verb alone."""
    return str(json.loads(row.steps)[row.step - 1]["verb"] if row.steps else row.verb)
