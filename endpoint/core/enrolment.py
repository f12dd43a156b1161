"""Whether an agent that comes with an enrolment key gets a token for its host. Pure.

A key vouches for new hosts only. For a host that the endpoint knows, and for a second exchange after the token of the
first was used, a person decides: it may be a clone, an impostor, or a host that was installed again.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

MOST_WAITING = 1000
"""Enrolments that wait for approval, for each key: whoever has a leaked key cannot fill the database."""


class EnrolmentStatus(Enum):
    """How far the enrolment of one host and instance is."""

    WAITING = "waiting"
    """For a person, with `enrolments approve`."""
    APPROVED = "approved"
    """The agent gets a token when it asks next."""
    REFUSED = "refused"
    ENROLLED = "enrolled"


class EnrolmentWhy(Enum):
    """Why an enrolment waits for a person."""

    APPROVAL_REQUIRED = "approval-required"
    """The key asks for it."""
    KNOWN_HOST = "known-host"
    """The host has reported, or has or had a token: another machine may claim its id."""
    TOKEN_IN_USE = "token-in-use"  # noqa: S105 - not a secret
    """This host and instance got a token, which was used or revoked since: a clone, or a lost state directory."""


class EnrolmentAnswer(Enum):
    """What the agent gets."""

    ISSUE = "issue"
    """A token; it counts as a use of the key."""
    REPEAT = "repeat"
    """A token in place of the one that was never used: the answer with that one was lost. It does not count."""
    WAIT = "wait"
    REFUSE = "refuse"
    EXPIRED = "expired"
    USED_UP = "used-up"
    TOO_MANY = "too-many"
    """Too many enrolments with this key wait for approval."""


LIMITS = {
    EnrolmentAnswer.EXPIRED: "its key has expired",
    EnrolmentAnswer.USED_UP: "its key has no use left",
}
"""Of the key of an enrolment, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentKey:
    """An enrolment key, without its secret."""

    id: str
    expires_at: datetime | None
    """None: never."""
    max_uses: int | None
    """None: any number."""
    uses: int
    """How many enrolments it has given a token."""
    approve: bool
    """Whether a person approves each host."""
    tags: tuple[str, ...]
    """What its hosts are tagged with, as the endpoint's own tags."""
    name: str = ""
    promised: int = 0
    """How many other enrolments are approved, where one more is to be: each will take a use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEnrolment:
    """What is on record of this host and instance."""

    status: EnrolmentStatus
    key_id: str
    why: EnrolmentWhy | None
    token_unused: bool
    """Whether its token is valid and was never used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentDecision:
    """The answer, and with `WAIT` the reason."""

    answer: EnrolmentAnswer
    why: EnrolmentWhy | None = None


def decide_enrolment(
    key: EnrolmentKey, earlier: EarlierEnrolment | None, *, known_host: bool, waiting: int, now: datetime
) -> EnrolmentDecision:
    """Return what an agent with this key gets.

    `known_host`: the host has a stream, or has or had a token. `waiting`: how many others wait with this key.
    """
    decided = _whatever_the_key(key, earlier)
    if decided is None:
        limit = reached_limit(key, now)
        decided = EnrolmentDecision(answer=limit) if limit is not None else _as_a_person_said(key, earlier)
    if decided is not None:
        return decided
    why = _why_to_wait(key, earlier, known_host=known_host)
    if why is None:
        return EnrolmentDecision(answer=EnrolmentAnswer.ISSUE)
    if waiting >= MOST_WAITING:
        return EnrolmentDecision(answer=EnrolmentAnswer.TOO_MANY)
    return EnrolmentDecision(answer=EnrolmentAnswer.WAIT, why=why)


def reached_limit(key: EnrolmentKey, now: datetime) -> EnrolmentAnswer | None:
    """Return why the key gives no more tokens, `EXPIRED` or `USED_UP`; None: it does.

    That holds for an approved host as well: a person approves hosts, and whoever made the key set its limits.
    """
    if key.expires_at is not None and now >= key.expires_at:
        return EnrolmentAnswer.EXPIRED
    if key.max_uses is not None and key.uses + key.promised >= key.max_uses:
        return EnrolmentAnswer.USED_UP
    return None


def _whatever_the_key(key: EnrolmentKey, earlier: EarlierEnrolment | None) -> EnrolmentDecision | None:
    """Return the answer that takes no use of the key; None: its limits count."""
    if earlier is None:
        return None
    if earlier.status is EnrolmentStatus.REFUSED:
        return EnrolmentDecision(answer=EnrolmentAnswer.REFUSE)
    if earlier.status is EnrolmentStatus.ENROLLED and earlier.key_id == key.id and earlier.token_unused:
        return EnrolmentDecision(answer=EnrolmentAnswer.REPEAT)
    return None


def _as_a_person_said(key: EnrolmentKey, earlier: EarlierEnrolment | None) -> EnrolmentDecision | None:
    """Return the answer if a person has approved the host, or is to; None: nobody was asked.

    That is for the key that the person saw: another one has other tags, and may be in other hands.
    """
    if earlier is None or earlier.key_id != key.id:
        return None
    if earlier.status is EnrolmentStatus.APPROVED:
        return EnrolmentDecision(answer=EnrolmentAnswer.ISSUE)
    if earlier.status is EnrolmentStatus.WAITING:
        return EnrolmentDecision(answer=EnrolmentAnswer.WAIT, why=earlier.why)
    return None


def _why_to_wait(key: EnrolmentKey, earlier: EarlierEnrolment | None, *, known_host: bool) -> EnrolmentWhy | None:
    if earlier is not None and earlier.status is EnrolmentStatus.ENROLLED:
        return EnrolmentWhy.TOKEN_IN_USE
    if known_host:
        return EnrolmentWhy.KNOWN_HOST
    return EnrolmentWhy.APPROVAL_REQUIRED if key.approve else None
