"""Enrolments as people see them and decide about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction
from endpoint.core.enrolment import LIMITS, EnrolmentAnswer, EnrolmentKey, EnrolmentStatus, EnrolmentWhy, reached_limit
from endpoint.errors import SpentKeyError
from endpoint.store.audit import note_in
from endpoint.store.enrolment_keys import enrolment_key
from endpoint.store.enrolment_tables import ENROLMENT_KEYS, ENROLMENTS

_MAX_PERSON = 64
_APPROVED = (
    sa.select(ENROLMENTS.c.key_id, sa.func.count().label("enrolments"))
    .where(ENROLMENTS.c.status == EnrolmentStatus.APPROVED.value)
    .group_by(ENROLMENTS.c.key_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One row, for people."""

    id: str
    host_id: str
    instance_id: str
    name: str
    key: EnrolmentKey
    address: str
    agent_version: str
    status: EnrolmentStatus
    why: EnrolmentWhy | None
    first_asked_at: datetime
    asked_at: datetime
    decided_by: str | None

    def limit(self, now: datetime) -> EnrolmentAnswer | None:
        """Return why no token would come of an approval; None: one would, or it has its token."""
        return None if self.status is EnrolmentStatus.ENROLLED else reached_limit(self.key, now)


def lock_enrolments(connection: Connection) -> None:
    """Let one transaction through at a time; SQLite's are serial from their start."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE enrolments IN SHARE ROW EXCLUSIVE MODE")


def read_enrolments(
    connection: Connection, statuses: Sequence[EnrolmentStatus] = (), limit: int | None = None
) -> list[Enrolment]:
    """Return those with one of these statuses, those that asked last first; without any: every one."""
    wanted = sa.select(ENROLMENTS).order_by(ENROLMENTS.c.asked_at.desc(), ENROLMENTS.c.id).limit(limit)
    if statuses:
        wanted = wanted.where(ENROLMENTS.c.status.in_([status.value for status in statuses]))
    keys = _keys(connection)
    return [_enrolment(row, keys) for row in connection.execute(wanted)]


def decide_by_person(
    connection: Connection, identity: str, *, approve: bool, person: str, now: datetime, address: str | None
) -> Enrolment | None:
    """Approve or refuse one, in the caller's transaction; see `Enrolments.decide`."""
    lock_enrolments(connection)
    status = EnrolmentStatus.APPROVED if approve else EnrolmentStatus.REFUSED
    others = [one.value for one in EnrolmentStatus if one not in {status, EnrolmentStatus.ENROLLED}]
    mine = sa.and_(ENROLMENTS.c.id == identity, ENROLMENTS.c.status.in_(others))
    row = connection.execute(sa.select(ENROLMENTS).where(mine)).first()
    if row is None:
        return None
    found = _enrolment(row, _keys(connection))
    limit = found.limit(now)
    if approve and limit is not None:
        raise SpentKeyError(f"{found.id}: {LIMITS[limit]}, so an approval would give the host no token")
    decided = replace(found, status=status, decided_by=person[:_MAX_PERSON])
    change = {"status": status.value, "decided_at": now.timestamp(), "decided_by": decided.decided_by}
    connection.execute(sa.update(ENROLMENTS).where(mine).values(change))
    action = AuditAction.ENROLMENT_APPROVED if approve else AuditAction.ENROLMENT_REFUSED
    why = found.why.value if found.why is not None else "refused before"
    subject, detail = found.name or found.host_id, f"{found.id} ({why})"
    note_in(connection, now, person, action, subject, detail, host_id=found.host_id, address=address)
    return decided


def _keys(connection: Connection) -> dict[str, EnrolmentKey]:
    """Return all keys, each with how many are approved with it."""
    approved = {row.key_id: row.enrolments for row in connection.execute(_APPROVED)}
    found = (enrolment_key(row) for row in connection.execute(sa.select(ENROLMENT_KEYS)))
    return {key.id: replace(key, promised=approved.get(key.id, 0)) for key in found}


def _enrolment(row: Any, keys: Mapping[str, EnrolmentKey]) -> Enrolment:
    status, key = EnrolmentStatus(row.status), keys[row.key_id]
    own = status is EnrolmentStatus.APPROVED
    return Enrolment(
        id=row.id,
        host_id=row.host_id,
        instance_id=row.instance_id,
        name=row.name,
        key=replace(key, promised=key.promised - own),
        address=row.address,
        agent_version=row.agent_version,
        status=status,
        why=EnrolmentWhy(row.why) if row.why else None,
        first_asked_at=datetime.fromtimestamp(row.first_asked_at, timezone.utc),
        asked_at=datetime.fromtimestamp(row.asked_at, timezone.utc),
        decided_by=row.decided_by,
    )
