"""`maestro-endpoint enrolments`: list hosts that ask for a token, approve and refuse them."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone

from endpoint.cli.person import calling_person
from endpoint.config.read import read_config
from endpoint.core.enrolment import LIMITS, EnrolmentStatus, EnrolmentWhy
from endpoint.core.text import clean, table
from endpoint.core.timestamps import format_age, format_utc
from endpoint.errors import SpentKeyError, UsageError
from endpoint.store.enrolment_rows import Enrolment
from endpoint.store.enrolments import Enrolments
from endpoint.store.session import open_database
from endpoint.store.tokens import Tokens

_WHY = {
    "approval-required": "its key asks for approval",
    "known-host": "a host with this id is known",
    "token-in-use": "it has a token that was used or revoked",
}
_HEAD = ("ID", "HOST", "HOST ID", "ADDRESS", "KEY", "STATUS", "WHY", "ASKED")


def run(arguments: argparse.Namespace) -> None:
    """Run the action that `enrolments` was given."""
    person, now = calling_person(), datetime.now(timezone.utc)
    with open_database(read_config(arguments.config)) as database:
        enrolments = Enrolments(database)
        if arguments.action == "list":
            statuses = () if arguments.all else (EnrolmentStatus.WAITING,)
            found = enrolments.all(*statuses)
            print(_document(found, now) if arguments.json else _text(found, now))
            return
        approve = arguments.action == "approve"
        ids = arguments.id
        if approve and arguments.all:
            ids = _unrivalled(enrolments, Tokens(database))
        for identity in ids:
            try:
                decided = enrolments.decide(identity, approve=approve, person=person, now=now)
            except SpentKeyError:
                if arguments.id:
                    raise
                continue
            if decided is None:
                raise UsageError(f"no enrolment {clean(identity)!a} can be {arguments.action}d; see `enrolments list`")
            print(f"{decided.id}  {clean(decided.name) or '-'}  {decided.status.value}")
        if approve and arguments.all and (left := enrolments.waiting()):
            why = "each may be another machine, or its key has expired or no use left"
            print(f"{left} not approved, {why}: see `enrolments list`", file=sys.stderr)


def _unrivalled(enrolments: Enrolments, tokens: Tokens) -> list[str]:
    """Return the enrolments that wait and whose approval takes no host from another machine.

    Another claim on a host that has a token, or on a host that two instances ask for, may be an impostor's: a person
    approves it by its id.
    """
    with_token = {token.host_id for token in tokens.all() if token.revoked_at is None}
    claims = enrolments.all(EnrolmentStatus.WAITING, EnrolmentStatus.APPROVED)
    times_claimed = Counter(one.host_id for one in claims)
    return [
        one.id
        for one in claims
        if one.status is EnrolmentStatus.WAITING
        and one.why is not EnrolmentWhy.TOKEN_IN_USE  # also if that token was revoked
        and one.host_id not in with_token
        and times_claimed[one.host_id] == 1
    ]


def _text(found: Sequence[Enrolment], now: datetime) -> str:
    if not found:
        return "no host waits for approval"
    return "\n".join(table([_HEAD, *(_row(one, now) for one in found)]))


def _row(one: Enrolment, now: datetime) -> tuple[str, ...]:
    decided = f" by {one.decided_by}" if one.decided_by else ""
    why = _WHY[one.why.value] if one.why is not None else "-"
    limit = one.limit(now)
    if limit is not None:
        why = f"{why}; {LIMITS[limit]}"
    asked = f"{format_age(one.asked_at, now)} ago"
    key = clean(one.key.name) or one.key.id
    name, address = clean(one.name) or "-", clean(one.address) or "-"
    return (one.id, name, one.host_id, address, key, clean(f"{one.status.value}{decided}"), why, asked)


def _document(found: Sequence[Enrolment], now: datetime) -> str:
    rows = [
        {
            "id": one.id,
            "host_id": one.host_id,
            "instance_id": one.instance_id,
            "name": one.name or None,
            "key": {"id": one.key.id, "name": one.key.name or None},
            "address": one.address or None,
            "agent_version": one.agent_version,
            "status": one.status.value,
            "why": one.why.value if one.why is not None else None,
            "first_asked_at": format_utc(one.first_asked_at),
            "asked_at": format_utc(one.asked_at),
            "decided_by": one.decided_by,
        }
        for one in found
    ]
    document = {"schema": "maestro.enrolments/1", "generated_at": format_utc(now), "enrolments": rows}
    return json.dumps(document, indent=1)
