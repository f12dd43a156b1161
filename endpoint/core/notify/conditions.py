"""Decides which conditions are new, so that each is notified once, and many at once in one notification. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from endpoint.core.notify.model import NotificationKind, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionRule:
    """How long a condition is collected, and for how long its return is not news; seconds."""

    settle_s: float
    """A new condition is notified after this time, with all others that are new by then."""
    quiet_s: float
    """One that has ended and returns within this time is not notified again."""


RULES: Mapping[NotificationKind, ConditionRule] = {
    NotificationKind.KNOWN_EXPLOITED: ConditionRule(settle_s=0.0, quiet_s=86400.0),
    NotificationKind.OVERDUE: ConditionRule(settle_s=0.0, quiet_s=86400.0),
    # Hosts have a heartbeat every 5 minutes: after a failure of a network all of them are silent within that.
    NotificationKind.SILENT: ConditionRule(settle_s=300.0, quiet_s=6 * 3600.0),
    # A host could report them each minute.
    NotificationKind.REBOOT_PROBLEMS: ConditionRule(settle_s=60.0, quiet_s=3600.0),
    NotificationKind.DEPLOYMENT_STOPPED: ConditionRule(settle_s=0.0, quiet_s=0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on record; times in Unix seconds."""

    subject: Subject
    since: float
    noticed_at: float | None = None
    """When it was put into a notification."""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChanges:
    """What a pass changes on record."""

    put: tuple[Condition, ...] = ()
    """New ones, and those that have ended, returned, or have other texts now."""
    drop: tuple[str, ...] = ()
    """The ids of subjects."""
    notify: bool = False
    """Whether all open conditions that were not notified yet are due."""


def judge(
    known: Mapping[str, Condition], found: Collection[Subject], rule: ConditionRule, now: float
) -> ConditionChanges:
    """Compare what was found with what is on record, by the subject's id."""
    put: list[Condition] = []
    drop: list[str] = []
    waiting: list[float] = []
    current = {subject.id: subject for subject in found}
    for identity, subject in current.items():
        before = known.get(identity)
        after = _open(before, subject, rule, now)
        if after != before:
            put.append(after)
        if after.noticed_at is None:
            waiting.append(after.since)
    for identity, condition in known.items():
        if identity in current:
            continue
        if condition.noticed_at is None or _is_over(condition, rule, now):
            drop.append(identity)
        elif condition.ended_at is None:
            put.append(_ended(condition, now))
    # A clock that was set back must not delay it.
    due = any(now - since >= rule.settle_s or since > now for since in waiting)
    return ConditionChanges(put=tuple(put), drop=tuple(drop), notify=due)


def _open(before: Condition | None, subject: Subject, rule: ConditionRule, now: float) -> Condition:
    if before is None or _is_over(before, rule, now):
        return Condition(subject=subject, since=now)
    return Condition(subject=subject, since=before.since, noticed_at=before.noticed_at)


def _ended(condition: Condition, now: float) -> Condition:
    return Condition(subject=condition.subject, since=condition.since, noticed_at=condition.noticed_at, ended_at=now)


def _is_over(condition: Condition, rule: ConditionRule, now: float) -> bool:
    # A time in the far future is that of a wrong clock.
    return condition.ended_at is not None and abs(now - condition.ended_at) >= rule.quiet_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Since when the endpoint has been up without a gap, and when it last looked; Unix seconds."""

    since: float
    at: float


LONGEST_GAP_S = 300.0
"""Without a pass for longer, hosts could not report: the endpoint was down."""
RETURN_S = 1200.0
"""An agent tries again at most 15 minutes after a failure, spread over 5 more (agent/core/schedule/backoff.py)."""


def watched(before: Watch | None, now: float) -> Watch:
    """Return the watch after a pass at this time."""
    if before is None or not 0.0 <= now - before.at <= LONGEST_GAP_S:
        return Watch(since=now, at=now)
    return Watch(since=before.since, at=now)


def may_judge_silence(watch: Watch, silent_after_s: float) -> bool:
    """Return whether each host that works has had the time to report since the endpoint was last down."""
    return watch.at - watch.since > max(silent_after_s, RETURN_S)


def silence_hint(silent: int, hosts: int, listed: int) -> str:
    """Return a sentence if the likelier cause of so many silent hosts is here, or if not all are listed."""
    if silent >= 3 and silent * 2 > hosts:  # noqa: PLR2004 - one or two hosts may have one cause
        return f"{silent} of {hosts} hosts are silent: check the endpoint's own network, proxy and certificate first."
    return f"{silent} of {hosts} hosts are silent, of which {listed} are counted here." if silent > listed else ""
