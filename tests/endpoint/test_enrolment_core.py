"""Whether an enrolment key gets a token for a host: the whole decision, without a database."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from endpoint.core.enrolment import (
    MOST_WAITING,
    EarlierEnrolment,
    EnrolmentAnswer,
    EnrolmentDecision,
    EnrolmentKey,
    EnrolmentStatus,
    EnrolmentWhy,
    decide_enrolment,
    reached_limit,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
LATER = NOW + timedelta(seconds=1)
ISSUE, REPEAT, REFUSE, EXPIRED, USED_UP, TOO_MANY = (
    EnrolmentDecision(answer=answer) for answer in EnrolmentAnswer if answer is not EnrolmentAnswer.WAIT
)
WAITING, APPROVED, REFUSED, ENROLLED = EnrolmentStatus


def key(
    name: str = "k",
    *,
    expires_at: datetime | None = LATER,
    max_uses: int | None = 2,
    uses: int = 0,
    approve: bool = False,
) -> EnrolmentKey:
    return EnrolmentKey(id=name, expires_at=expires_at, max_uses=max_uses, uses=uses, approve=approve, tags=())


def earlier(
    status: EnrolmentStatus, of_key: str = "k", why: EnrolmentWhy | None = None, *, unused: bool = False
) -> EarlierEnrolment:
    return EarlierEnrolment(status=status, key_id=of_key, why=why, token_unused=unused)


def wait(why: EnrolmentWhy) -> EnrolmentDecision:
    return EnrolmentDecision(answer=EnrolmentAnswer.WAIT, why=why)


IN_USE, KNOWN, ASKS = EnrolmentWhy.TOKEN_IN_USE, EnrolmentWhy.KNOWN_HOST, EnrolmentWhy.APPROVAL_REQUIRED
SPENT, OLD = key(uses=2), key(expires_at=NOW)
CASES = {
    "a new host": (key(), None, False, ISSUE),
    "a key without limits": (key(expires_at=None, max_uses=None, uses=10**6), None, False, ISSUE),
    "a key that asks for approval": (key(approve=True), None, False, wait(ASKS)),
    "a known host": (key(), None, True, wait(KNOWN)),
    "a known host with a key that asks": (key(approve=True), None, True, wait(KNOWN)),
    "expired at this moment": (OLD, None, False, EXPIRED),
    "used up": (SPENT, None, False, USED_UP),
    "still waiting": (key(), earlier(WAITING, why=KNOWN), True, wait(KNOWN)),
    "waiting while the key expires": (OLD, earlier(WAITING, why=ASKS), False, EXPIRED),
    "waiting while the key is used up": (SPENT, earlier(WAITING, why=ASKS), False, USED_UP),
    "waiting, then with another key": (key(), earlier(WAITING, "other", ASKS), False, ISSUE),
    "waiting, then with an expired key": (OLD, earlier(WAITING, "other", ASKS), False, EXPIRED),
    "approved": (key(), earlier(APPROVED), True, ISSUE),
    "approved, the key has expired": (OLD, earlier(APPROVED), True, EXPIRED),
    "approved, the key is used up": (SPENT, earlier(APPROVED), True, USED_UP),
    "approved, then with another key": (key(), earlier(APPROVED, "other"), True, wait(KNOWN)),
    "approved, then with another key that has expired": (OLD, earlier(APPROVED, "other"), True, EXPIRED),
    "refused": (key(), earlier(REFUSED), False, REFUSE),
    "refused, with another key": (key(), earlier(REFUSED, "other"), False, REFUSE),
    "a lost answer": (key(), earlier(ENROLLED, unused=True), True, REPEAT),
    "a lost answer to the last use": (SPENT, earlier(ENROLLED, unused=True), True, REPEAT),
    "a lost answer, the key has expired": (OLD, earlier(ENROLLED, unused=True), True, REPEAT),
    "a lost answer, then with another key": (key(), earlier(ENROLLED, "other", unused=True), True, wait(IN_USE)),
    "the token was used": (key(), earlier(ENROLLED), True, wait(IN_USE)),
    "the token was used, the key is used up": (SPENT, earlier(ENROLLED), True, USED_UP),
}


@pytest.mark.parametrize(("given", "before", "known", "expected"), CASES.values(), ids=CASES)
def test_what_an_agent_gets(
    given: EnrolmentKey, before: EarlierEnrolment | None, known: object, expected: EnrolmentDecision
) -> None:
    assert decide_enrolment(given, before, known_host=bool(known), waiting=0, now=NOW) == expected


def test_a_key_fills_the_list_of_those_that_wait_only_up_to_a_limit() -> None:
    asks = key(approve=True, max_uses=None)

    found = [
        decide_enrolment(asks, None, known_host=False, waiting=n, now=NOW) for n in (MOST_WAITING - 1, MOST_WAITING)
    ]

    assert found == [wait(ASKS), TOO_MANY]


def test_approved_hosts_are_promised_a_use_each() -> None:
    given = [replace(key(uses=1, max_uses=uses), promised=2) for uses in (3, 4, None)]

    assert [reached_limit(one, NOW) for one in given] == [EnrolmentAnswer.USED_UP, None, None]


def test_one_that_waits_already_is_not_counted_against_itself() -> None:
    asks, mine = key(approve=True), earlier(WAITING, why=ASKS)

    assert decide_enrolment(asks, mine, known_host=False, waiting=MOST_WAITING, now=NOW) == wait(ASKS)


@pytest.mark.parametrize("status", EnrolmentStatus, ids=lambda one: one.value)
@pytest.mark.parametrize("unused", [True, False], ids=["unused", "used"])
def test_a_known_host_gets_a_token_only_by_approval_or_as_a_repetition(status: EnrolmentStatus, unused: object) -> None:
    for of_key in ("k", "other"):
        for given in (key(), key(approve=True), key(expires_at=None, max_uses=None)):
            found = decide_enrolment(
                given, earlier(status, of_key, unused=bool(unused)), known_host=True, waiting=0, now=NOW
            ).answer

            if found is EnrolmentAnswer.ISSUE:
                assert status is APPROVED
            if found is EnrolmentAnswer.REPEAT:
                assert (status, of_key, unused) == (ENROLLED, "k", True)
