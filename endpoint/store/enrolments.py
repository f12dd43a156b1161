"""Enrolments: each ask of an agent is decided in one transaction, and all of these are serial.

So two processes never issue two tokens for one host, and a key is never used more often than it may be.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from endpoint.core.audit import AuditAction
from endpoint.core.enrolment import (
    EarlierEnrolment,
    EnrolmentAnswer,
    EnrolmentDecision,
    EnrolmentKey,
    EnrolmentStatus,
    EnrolmentWhy,
    decide_enrolment,
)
from endpoint.core.host_tags import TagSource
from endpoint.store.audit import note_in
from endpoint.store.database import Database
from endpoint.store.enrolment_keys import enrolment_key
from endpoint.store.enrolment_rows import Enrolment, decide_by_person, lock_enrolments, read_enrolments
from endpoint.store.enrolment_tables import ENROLMENT_KEYS, ENROLMENTS
from endpoint.store.tables import HOST_TAGS, STREAMS, TOKENS
from endpoint.store.tokens import Role, insert_token

_GIVEN_UP = timedelta(days=30)
"""After how long an agent that waits and does not ask any more is forgotten."""
_MAX_NAME, _MAX_ADDRESS, _MAX_VERSION = 256, 64, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """What an agent sends, and from where."""

    host_id: str
    instance_id: str
    name: str
    """Of the host; empty if it has none."""
    agent_version: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentResult:
    """The answer to it."""

    decision: EnrolmentDecision
    token: str | None = None
    token_id: str | None = None


class Enrolments:
    """All enrolments."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tag = database.insert_new(HOST_TAGS)

    def ask(self, key_id: str, asked: EnrolmentRequest, now: datetime) -> EnrolmentResult | None:
        """Decide about an agent that has this key; None: the key was revoked meanwhile.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.write(lambda connection: self._ask(connection, key_id, asked, now))

    def waiting(self) -> int:
        """Return how many wait for approval.

        Raises:
            StoreError: the database does not answer.
        """
        wanted = sa.select(sa.func.count()).where(ENROLMENTS.c.status == EnrolmentStatus.WAITING.value)
        return int(self._database.read(lambda connection: connection.execute(wanted).scalar()))

    def all(self, *statuses: EnrolmentStatus, limit: int | None = None) -> list[Enrolment]:
        """Return those with one of these statuses, those that asked last first; without any: every one.

        Raises:
            StoreError: the database does not answer.
        """
        return self._database.read(lambda connection: read_enrolments(connection, statuses, limit))

    def decide(
        self, identity: str, *, approve: bool, person: str, now: datetime, address: str | None = None
    ) -> Enrolment | None:
        """Approve or refuse one; return it as it is then. None: there is none that could be.

        A refused one can be approved later. One that has its token can be neither: the token is revoked instead.

        Raises:
            SpentKeyError: the key would give an approved host no token.
            StoreError: the database does not answer.
        """
        return self._database.write(
            lambda connection: decide_by_person(
                connection, identity, approve=approve, person=person, now=now, address=address
            )
        )

    def _ask(
        self, connection: Connection, key_id: str, asked: EnrolmentRequest, now: datetime
    ) -> EnrolmentResult | None:
        lock_enrolments(connection)
        row = connection.execute(sa.select(ENROLMENT_KEYS).where(ENROLMENT_KEYS.c.id == key_id)).first()
        if row is None or row.revoked_at is not None:
            return None
        key = enrolment_key(row)
        waiting = _waiting(connection, key.id, now)
        found = _row(connection, asked)
        earlier = _earlier(connection, found) if found is not None else None
        known = _is_known(connection, asked)
        decision = decide_enrolment(key, earlier, known_host=known, waiting=waiting, now=now)
        if decision.answer is EnrolmentAnswer.WAIT:
            _keep(connection, key, asked, found, now, status=EnrolmentStatus.WAITING.value, why=_value(decision.why))
        if decision.answer not in {EnrolmentAnswer.ISSUE, EnrolmentAnswer.REPEAT}:
            return EnrolmentResult(decision=decision)
        token_id, token = self._issue(connection, key, asked, now, counts=decision.answer is EnrolmentAnswer.ISSUE)
        issued = {"status": EnrolmentStatus.ENROLLED.value, "why": None, "token_id": token_id}
        _keep(connection, key, asked, found, now, **issued)
        return EnrolmentResult(decision=decision, token=token, token_id=token_id)

    def _issue(
        self, connection: Connection, key: EnrolmentKey, asked: EnrolmentRequest, now: datetime, *, counts: bool
    ) -> tuple[str, str]:
        """Create the host's token, revoke those that it got so before, and tag the host."""
        earlier = (
            TOKENS.c.host_id == asked.host_id,
            TOKENS.c.enrolment_key.is_not(None),
            TOKENS.c.revoked_at.is_(None),
        )
        connection.execute(sa.update(TOKENS).where(*earlier).values(revoked_at=now.timestamp()))
        name = _text(asked.name, _MAX_NAME)
        made = insert_token(
            connection, role=Role.AGENT, name=name, host_id=asked.host_id, now=now, enrolment_key=key.id
        )
        for tag in key.tags:
            connection.execute(self._tag, {"host_id": asked.host_id, "tag": tag, "source": TagSource.ENDPOINT.value})
        if counts:
            more = sa.update(ENROLMENT_KEYS).where(ENROLMENT_KEYS.c.id == key.id).values(uses=ENROLMENT_KEYS.c.uses + 1)
            connection.execute(more)
        note_in(
            connection, now, f"key {key.name or key.id}", AuditAction.HOST_ENROLLED, name or asked.host_id,
            f"token {made[0]}" + ("" if counts else ", again: the last one was never used"),
            host_id=asked.host_id, address=_text(asked.address, _MAX_ADDRESS),
        )  # fmt: skip
        return made


def _row(connection: Connection, asked: EnrolmentRequest) -> Any:
    mine = (ENROLMENTS.c.host_id == asked.host_id, ENROLMENTS.c.instance_id == asked.instance_id)
    return connection.execute(sa.select(ENROLMENTS).where(*mine)).first()


def _earlier(connection: Connection, found: Any) -> EarlierEnrolment:
    valid = (TOKENS.c.id == found.token_id, TOKENS.c.revoked_at.is_(None), TOKENS.c.first_used_at.is_(None))
    # The row stays locked: its first use waits for this transaction, and finds it revoked then (`Tokens.find`).
    wanted = sa.select(TOKENS.c.id).where(*valid).with_for_update()
    unused = found.token_id is not None and connection.execute(wanted).first() is not None
    return EarlierEnrolment(
        status=EnrolmentStatus(found.status),
        key_id=found.key_id,
        why=EnrolmentWhy(found.why) if found.why else None,
        token_unused=unused,
    )


def _is_known(connection: Connection, asked: EnrolmentRequest) -> bool:
    """Return whether the host has reported, or has or had a token, revoked or not."""
    places = (TOKENS.c.host_id, STREAMS.c.host_id)
    found = [sa.select(place).where(place == asked.host_id).limit(1) for place in places]
    return any(connection.execute(wanted).first() is not None for wanted in found)


def _waiting(connection: Connection, key_id: str, now: datetime) -> int:
    """Return how many wait with this key, without those that have stopped asking, which are deleted."""
    waits = (ENROLMENTS.c.key_id == key_id, ENROLMENTS.c.status == EnrolmentStatus.WAITING.value)
    given_up = (*waits, ENROLMENTS.c.token_id.is_(None), ENROLMENTS.c.asked_at < (now - _GIVEN_UP).timestamp())
    connection.execute(sa.delete(ENROLMENTS).where(*given_up))
    return int(connection.execute(sa.select(sa.func.count()).where(*waits)).scalar() or 0)


def _keep(
    connection: Connection, key: EnrolmentKey, asked: EnrolmentRequest, found: Any, now: datetime, **values: str | None
) -> None:
    """Write the row of a host and instance."""
    latest = {
        "key_id": key.id, "name": _text(asked.name, _MAX_NAME), "address": _text(asked.address, _MAX_ADDRESS),
        "agent_version": _text(asked.agent_version, _MAX_VERSION), "asked_at": now.timestamp(), **values,
    }  # fmt: skip
    if found is not None:
        connection.execute(sa.update(ENROLMENTS).where(ENROLMENTS.c.id == found.id).values(latest))
        return
    identity = {"id": secrets.token_hex(8), "host_id": asked.host_id, "instance_id": asked.instance_id}
    connection.execute(ENROLMENTS.insert(), {**identity, "first_asked_at": now.timestamp(), **latest})


def _value(why: EnrolmentWhy | None) -> str | None:
    return why.value if why is not None else None


def _text(text: str, most: int) -> str:
    """Return what every database can store; PostgreSQL takes neither NUL nor surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:most]
