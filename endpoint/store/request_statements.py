"""The SQL of deployments and requests, built once: that takes longer than running it."""

from typing import Any

import sqlalchemy as sa

from endpoint.core.deployments import UNSENT, DeploymentStatus, RequestStatus
from endpoint.store.tables import DEPLOYMENTS, REQUESTS, STREAMS

_DECIDES = (
    *(
        REQUESTS.c.id,
        REQUESTS.c.deployment,
        REQUESTS.c.host_id,
        REQUESTS.c.status,
        REQUESTS.c.host_step,
        REQUESTS.c.step,
    ),
    *(REQUESTS.c.cancel_at, REQUESTS.c.delivered_at, REQUESTS.c.changed_at),
    *(DEPLOYMENTS.c.status.label("of_status"), DEPLOYMENTS.c.at_once),
    *(DEPLOYMENTS.c.stop_after, DEPLOYMENTS.c.expires_at, DEPLOYMENTS.c.in_flight, DEPLOYMENTS.c.failures),
)
_BOTH = sa.select(*_DECIDES).select_from(REQUESTS.join(DEPLOYMENTS))


def _of_hosts(condition: Any) -> Any:
    """Return the query for the requests of hosts for which this holds, the oldest first."""
    found = _BOTH.where(REQUESTS.c.host_id.in_(sa.bindparam("hosts", expanding=True)), condition)
    return found.order_by(DEPLOYMENTS.c.created_at, DEPLOYMENTS.c.id, REQUESTS.c.position)


OPEN_OF_HOSTS = _of_hosts(REQUESTS.c.ended_at.is_(None))  # as in the index
_RECALLED = sa.and_(
    REQUESTS.c.cancel_at.is_not(None),  # as in the index
    REQUESTS.c.status == RequestStatus.CANCELLED.value,
    sa.or_(REQUESTS.c.host_step.is_(None), REQUESTS.c.host_step != RequestStatus.CANCELLED.value),
    DEPLOYMENTS.c.expires_at > sa.bindparam("now"),
)
"""A person has cancelled it, and its host, which may have it all the same, has not confirmed that."""
RECALLED_OF_HOSTS = _of_hosts(_RECALLED)


def _has_request(*conditions: Any) -> Any:
    """Return whether a stream's host has a request for which these hold."""
    found = sa.select(sa.literal(1)).select_from(REQUESTS.join(DEPLOYMENTS))
    return found.where(REQUESTS.c.host_id == STREAMS.c.host_id, *conditions).correlate(STREAMS).exists()


_HAS_OPEN = _has_request(
    REQUESTS.c.ended_at.is_(None),  # as in the index
    sa.or_(
        REQUESTS.c.cancel_at.is_not(None),
        sa.and_(
            REQUESTS.c.host_step.is_not(None),
            # Of a request that was delivered after the backup that this database is from, only events are known.
            sa.func.coalesce(REQUESTS.c.delivered_at, 0.0) <= sa.bindparam("silent_since"),
            REQUESTS.c.changed_at <= sa.bindparam("silent_since"),
        ),
        sa.and_(
            DEPLOYMENTS.c.status == DeploymentStatus.ACTIVE.value,
            sa.or_(
                REQUESTS.c.status == RequestStatus.DELIVERED.value,
                sa.and_(
                    REQUESTS.c.status == RequestStatus.QUEUED.value,
                    DEPLOYMENTS.c.in_flight < DEPLOYMENTS.c.at_once,
                ),
            ),
        ),
    ),
)
HAS_REQUESTS = sa.or_(_HAS_OPEN, _has_request(_RECALLED))
"""Whether a stream's host may get a request or a cancellation now. It is part of a query that is made anyway, because a
query of its own costs each contact more than all the rest of the queue."""
HAS_REQUESTS_ON_POSTGRESQL = sa.func.host_has_requests(
    STREAMS.c.host_id, sa.bindparam("now"), sa.bindparam("silent_since"), type_=sa.Boolean
)
"""The same by a function of the database (migration 0016): PostgreSQL takes longer to plan the query than to run it,
and keeps the plan of a function."""
UNDER_WAY = DEPLOYMENTS.c.id.in_(sa.select(REQUESTS.c.deployment).where(REQUESTS.c.ended_at.is_(None)))
"""Whether a deployment has a request that has not ended: without one its status is history, and nothing can be done."""
NAMED = _BOTH.where(REQUESTS.c.id.in_(sa.bindparam("ids", expanding=True)))
UNENDED = _BOTH.where(REQUESTS.c.deployment == sa.bindparam("of"), REQUESTS.c.ended_at.is_(None))
LOCKED_DEPLOYMENTS = (
    sa.select(DEPLOYMENTS)
    .where(DEPLOYMENTS.c.id.in_(sa.bindparam("ids", expanding=True)))
    # Always in the same order: otherwise two processes could deadlock. SQLAlchemy omits the lock on SQLite, whose
    # transactions are serial.
    .order_by(DEPLOYMENTS.c.id)
    .with_for_update()
)
DOCUMENTS = sa.select(REQUESTS.c.id, REQUESTS.c.document, REQUESTS.c.signature).where(
    REQUESTS.c.id.in_(sa.bindparam("ids", expanding=True))
)
_ONE = REQUESTS.c.id == sa.bindparam("of")
DELIVER = (
    sa.update(REQUESTS)
    .where(_ONE)
    .values(status=sa.bindparam("new_status"), delivered_at=sa.bindparam("now"), changed_at=sa.bindparam("now"))
)
END = (
    sa.update(REQUESTS)
    .where(_ONE)
    .values(status=sa.bindparam("new_status"), ended_at=sa.bindparam("now"), changed_at=sa.bindparam("now"))
)
END_CANCELLED = END.values(cancel_at=sa.bindparam("now"))
END_LATER = (
    sa.update(REQUESTS)
    .where(
        REQUESTS.c.deployment == sa.bindparam("of"),
        REQUESTS.c.host_id == sa.bindparam("host"),
        REQUESTS.c.step > sa.bindparam("at_step"),
        REQUESTS.c.ended_at.is_(None),  # as in the index
        sa.or_(*(REQUESTS.c.status == status.value for status in sorted(UNSENT, key=lambda one: one.value))),
    )
    .values(
        status=sa.bindparam("new_status"), why=sa.bindparam("new_why"), ended_at=sa.bindparam("now"),
        changed_at=sa.bindparam("now"),
    )
)  # fmt: skip
DELIVER_AGAIN = sa.update(REQUESTS).where(_ONE).values(delivered_at=sa.bindparam("now"))
CANCEL = sa.update(REQUESTS).where(_ONE).values(cancel_at=sa.bindparam("now"))
SIGN = (
    sa.update(REQUESTS)
    .where(_ONE, REQUESTS.c.status == sa.bindparam("old_status"))
    .values(status=sa.bindparam("new_status"), signature=sa.bindparam("new_signature"), changed_at=sa.bindparam("now"))
)
STEP = (
    sa.update(REQUESTS)
    .where(_ONE)
    .values(
        status=sa.bindparam("new_status"),
        host_step=sa.bindparam("new_status"),
        changed_at=sa.bindparam("now"),
        **{name: sa.bindparam(f"new_{name}") for name in ("ended_at", "why", "detail", "run", "signed_by")},
    )
)
COUNTS = (
    sa.update(DEPLOYMENTS)
    .where(DEPLOYMENTS.c.id == sa.bindparam("of"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("status", "in_flight", "failures")})
)
