"""The SQL of lock calls, built once: that takes longer than running it."""

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause

from endpoint.core.locks import CLOCK_TOLERANCE_S
from endpoint.store.tables import LOCK_GROUPS, LOCK_HOLDERS, LOCK_WAITERS


def counts(waiters: FromClause) -> ColumnElement[bool]:
    """Return the condition that a place counts at the parameter `now`, as `Waiter.counts_at` has it."""
    now = sa.bindparam("now", type_=sa.Float)
    return sa.and_(waiters.c.expires_at > now, waiters.c.asked_at <= now + CLOCK_TOLERANCE_S)


LOCKED_GROUPS = (
    sa.select(LOCK_GROUPS)
    .where(LOCK_GROUPS.c.name.in_(sa.bindparam("names", expanding=True)))
    # Always in the same order: otherwise two processes could deadlock. SQLAlchemy omits the lock on SQLite, whose
    # transactions are serial.
    .order_by(LOCK_GROUPS.c.name)
    .with_for_update()
)
HOLDERS = (
    sa.select(LOCK_HOLDERS)
    .where(LOCK_HOLDERS.c.group_name.in_(sa.bindparam("names", expanding=True)))
    .order_by(LOCK_HOLDERS.c.since, LOCK_HOLDERS.c.client_id)
)
_OTHERS = LOCK_WAITERS.alias()
_AHEAD = (
    sa.select(sa.func.count())
    .select_from(_OTHERS)
    .where(
        _OTHERS.c.group_name == LOCK_WAITERS.c.group_name,
        _OTHERS.c.ticket < LOCK_WAITERS.c.ticket,
        counts(_OTHERS),
    )
    .scalar_subquery()
)
PLACES = sa.select(LOCK_WAITERS, _AHEAD.label("ahead")).where(
    sa.tuple_(LOCK_WAITERS.c.group_name, LOCK_WAITERS.c.client_id).in_(sa.bindparam("clients", expanding=True)),
    counts(LOCK_WAITERS),
)
QUEUE_LENGTHS = (
    sa.select(LOCK_WAITERS.c.group_name, sa.func.count().label("waiting"))
    .where(
        LOCK_WAITERS.c.group_name.in_(sa.bindparam("names", expanding=True)),
        counts(LOCK_WAITERS),
    )
    .group_by(LOCK_WAITERS.c.group_name)
)
FIRST = (
    sa.select(LOCK_WAITERS)
    .where(
        LOCK_WAITERS.c.group_name == sa.bindparam("of"),
        counts(LOCK_WAITERS),
    )
    .order_by(LOCK_WAITERS.c.ticket)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_HOLDER = (LOCK_HOLDERS.c.group_name == sa.bindparam("of"), LOCK_HOLDERS.c.client_id == sa.bindparam("client"))
_WAITER = (LOCK_WAITERS.c.group_name == sa.bindparam("of"), LOCK_WAITERS.c.client_id == sa.bindparam("client"))
TAKE = sa.insert(LOCK_HOLDERS)
RENEW = (
    sa.update(LOCK_HOLDERS)
    .where(*_HOLDER)
    .values(
        {name: sa.bindparam(f"new_{name}") for name in ("client_id", "host_id", "last_asked_at", "reason", "address")}
    )
)
GIVE_BACK = sa.delete(LOCK_HOLDERS).where(*_HOLDER)
QUEUE = sa.insert(LOCK_WAITERS)
ASK_AGAIN = (
    sa.update(LOCK_WAITERS)
    .where(*_WAITER)
    .values({name: sa.bindparam(f"new_{name}") for name in ("host_id", "asked_at", "hint_s", "late_s", "expires_at")})
)
PASS = (
    sa.update(LOCK_WAITERS)
    .where(LOCK_WAITERS.c.group_name == sa.bindparam("of"), LOCK_WAITERS.c.ticket == sa.bindparam("place"))
    .values(passed=LOCK_WAITERS.c.passed + 1)
)
LEAVE = sa.delete(LOCK_WAITERS).where(*_WAITER)
CLEAN_UP = sa.delete(LOCK_WAITERS).where(
    LOCK_WAITERS.c.group_name == sa.bindparam("of"),
    sa.or_(
        sa.not_(counts(LOCK_WAITERS)),
        LOCK_WAITERS.c.host_id == sa.bindparam("host"),  # one place for each host, whatever id it uses
    ),
)
NEXT_TICKET = (
    sa.update(LOCK_GROUPS)
    .where(LOCK_GROUPS.c.name == sa.bindparam("of"))
    .values(next_ticket=LOCK_GROUPS.c.next_ticket + 1)
)
NEW_MEAN = (
    sa.update(LOCK_GROUPS).where(LOCK_GROUPS.c.name == sa.bindparam("of")).values(mean_hold_s=sa.bindparam("mean"))
)
