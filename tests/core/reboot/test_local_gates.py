"""The gates of a reboot: each one closed alone, and what passes it."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from agent.core.model.facts import Unseen
from agent.core.policy.policy import RebootMode, RebootPolicy, SessionsMode
from agent.core.reboot.gates import (
    PASSABLE,
    GateFacts,
    GateRequest,
    GateState,
    Inhibitor,
    LastRun,
    RebootGate,
    RebootOrigin,
    RebootWhy,
    ScheduledShutdown,
    UserSession,
    Verdict,
    first_closed,
)
from agent.core.reboot.local_gates import local_gates
from agent.core.reboot.opening import RebootRules
from agent.core.windows import parse_window

UTC = timezone.utc
NOW = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
"""A Saturday, in the window."""
WINDOW = parse_window("Sat 02:00-04:00", lambda _name: UTC)
POLICY = RebootPolicy(policy=RebootMode.WINDOW, window=WINDOW.text)
RULES = RebootRules(policy=POLICY, window=WINDOW)
CLEAR = GateFacts()
BY_POLICY = GateRequest(origin=RebootOrigin.POLICY)
BY_ROOT = GateRequest(origin=RebootOrigin.REQUEST)
UNSEEN = Unseen(reason="no answer")
ALICE = UserSession(id="3", user="alice", terminal="pts/0", remote="10.0.0.7")
APT = Inhibitor(who="apt", why="installing", pid=7)
HOUR = timedelta(hours=1)
LATER = ScheduledShutdown(kind="poweroff", at=NOW + timedelta(hours=1))


def asked(
    facts: GateFacts = CLEAR, request: GateRequest = BY_POLICY, rules: RebootRules = RULES, now: datetime = NOW
) -> dict[RebootGate, GateState]:
    return {state.gate: state for state in local_gates(facts, request, rules, now=now, local=UTC)}


def rules(**changes: object) -> RebootRules:
    return RebootRules(policy=replace(POLICY, **changes), window=WINDOW)  # type: ignore[arg-type] # of the policy


def test_every_local_gate_is_asked_once_and_in_its_order() -> None:
    states = local_gates(CLEAR, BY_POLICY, RULES, now=NOW, local=UTC)

    assert [state.gate for state in states] == list(RebootGate)[:8]
    assert {state.verdict for state in states} == {Verdict.OPEN}
    assert first_closed(states) is None


_ALONE = [
    (RebootGate.POLICY, RebootWhy.POLICY_NEVER, CLEAR, rules(policy=RebootMode.NEVER), NOW, False),
    (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW, CLEAR, RULES, NOW - timedelta(hours=1), True),
    (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW, CLEAR, rules(not_before="2026-12-27"), NOW, True),
    (RebootGate.WINDOW, RebootWhy.OUTSIDE_WINDOW, CLEAR, rules(expected=timedelta(hours=3)), NOW, False),
    (
        RebootGate.LAST_RUN,
        RebootWhy.RUN_FAILED,
        GateFacts(last_run=LastRun(result="failed", trusted=False)),
        RULES,
        NOW,
        False,
    ),
    (
        RebootGate.LAST_RUN,
        RebootWhy.RUN_FAILED,
        GateFacts(last_run=LastRun(result="degraded", failed=("a",))),
        RULES,
        NOW,
        False,
    ),
    (RebootGate.DPKG, RebootWhy.DPKG_UNFINISHED, GateFacts(unfinished=("libc6",)), RULES, NOW, False),
    (RebootGate.JOB_RUNNING, RebootWhy.JOB_RUNNING, GateFacts(running="apt-get (pid 5)"), RULES, NOW, True),
    (RebootGate.SESSIONS, RebootWhy.SESSIONS, GateFacts(sessions=(ALICE,)), RULES, NOW, True),
    (
        RebootGate.SESSIONS,
        RebootWhy.SESSIONS,
        GateFacts(sessions=(ALICE,)),
        rules(sessions=SessionsMode.NEVER),
        NOW,
        True,
    ),
    (RebootGate.INHIBITED, RebootWhy.INHIBITED, GateFacts(inhibitors=(APT,)), RULES, NOW, True),
    (RebootGate.SCHEDULED_BY_OTHER, RebootWhy.SCHEDULED_BY_OTHER, GateFacts(scheduled=LATER), RULES, NOW, True),
]


@pytest.mark.parametrize(
    ("gate", "why", "facts", "rules", "now", "retry"),
    _ALONE,
    ids=[f"{number}-{row[0].value}" for number, row in enumerate(_ALONE)],
)
def test_each_gate_closes_alone(
    gate: RebootGate, why: RebootWhy, facts: GateFacts, rules: RebootRules, now: datetime, *, retry: bool
) -> None:
    states = asked(facts, rules=rules, now=now)

    closed = states.pop(gate)
    assert (closed.verdict, closed.why, closed.retry, closed.blocks) == (Verdict.CLOSED, why, retry, True)
    assert closed.detail
    assert {state.verdict for state in states.values()} <= {Verdict.OPEN, Verdict.NOT_ASKED}
    assert not any(state.blocks for state in states.values())
    assert first_closed(asked(facts, rules=rules, now=now).values()) == closed


_UNKNOWN = [
    (RebootGate.LAST_RUN, GateFacts(last_run=UNSEEN)),
    (RebootGate.DPKG, GateFacts(unfinished=UNSEEN)),
    (RebootGate.JOB_RUNNING, GateFacts(running=UNSEEN)),
    (RebootGate.SESSIONS, GateFacts(sessions=UNSEEN)),
    (RebootGate.INHIBITED, GateFacts(inhibitors=UNSEEN)),
    (RebootGate.SCHEDULED_BY_OTHER, GateFacts(scheduled=UNSEEN)),
]


@pytest.mark.parametrize(("gate", "facts"), _UNKNOWN, ids=[row[0].value for row in _UNKNOWN])
def test_what_cannot_be_read_keeps_the_machine_from_a_reboot(gate: RebootGate, facts: GateFacts) -> None:
    state = asked(facts)[gate]

    assert (state.verdict, state.detail, state.blocks) == (Verdict.UNKNOWN, "no answer", True)


def test_a_window_that_cannot_be_read_is_unknown() -> None:
    broken = RebootRules(policy=POLICY, window_problem="reboot.window: no such time zone")

    assert asked(rules=broken)[RebootGate.WINDOW].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("origin", [RebootOrigin.REQUEST, RebootOrigin.SCHEDULE], ids=lambda one: str(one.value))
def test_root_needs_neither_policy_nor_window_and_every_other_gate(origin: RebootOrigin) -> None:
    never = RebootRules(policy=RebootPolicy())
    facts = GateFacts(
        last_run=UNSEEN, unfinished=UNSEEN, running=UNSEEN, sessions=UNSEEN, inhibitors=UNSEEN, scheduled=UNSEEN
    )
    states = asked(facts, GateRequest(origin=origin), never)

    not_asked = {gate for gate, state in states.items() if state.verdict is Verdict.NOT_ASKED}
    assert not_asked == {RebootGate.POLICY, RebootGate.WINDOW}
    assert all(state.blocks for gate, state in states.items() if gate not in not_asked)


@pytest.mark.parametrize("policy", RebootMode, ids=lambda one: str(one.value))
def test_a_request_for_the_window_needs_the_window_whatever_the_policy(policy: RebootMode) -> None:
    request = replace(BY_ROOT, in_window=True)

    within, before = (asked(request=request, rules=rules(policy=policy), now=now) for now in (NOW, NOW - HOUR))

    assert (within[RebootGate.POLICY].verdict, within[RebootGate.WINDOW].verdict) == (Verdict.NOT_ASKED, Verdict.OPEN)
    assert (before[RebootGate.POLICY].verdict, before[RebootGate.WINDOW].why) == (
        Verdict.NOT_ASKED,
        RebootWhy.OUTSIDE_WINDOW,
    )


@pytest.mark.parametrize("gate", RebootGate, ids=lambda gate: str(gate.value))
def test_a_request_passes_only_gates_that_may_be_passed(gate: RebootGate) -> None:
    request = GateRequest(origin=RebootOrigin.REQUEST, despite=frozenset({gate}))
    facts = GateFacts(
        last_run=LastRun(result="failed", trusted=False),
        unfinished=("libc6",),
        running="apt-get",
        sessions=(ALICE,),
        inhibitors=(APT,),
        scheduled=LATER,
    )
    states = asked(facts, request)

    passed = {one for one, state in states.items() if state.passed}
    assert passed == {gate} & PASSABLE & set(states)
    assert all(states[one].verdict is Verdict.CLOSED and states[one].why for one in passed)


def test_a_reboot_starts_only_if_warning_and_reboot_end_within_the_window() -> None:
    latest = datetime(2026, 11, 28, 3, 49, tzinfo=UTC)

    assert asked(now=latest)[RebootGate.WINDOW].verdict is Verdict.OPEN
    late = asked(now=latest + timedelta(seconds=1))[RebootGate.WINDOW]
    assert (late.verdict, late.until) == (Verdict.CLOSED, datetime(2026, 12, 5, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("hold_off", "until"),
    [
        ("2026-12-27", datetime(2027, 1, 2, 2, tzinfo=UTC)),
        ("2026-11-28T03:00", datetime(2026, 11, 28, 3, tzinfo=UTC)),
        ("2026-11-28T03:55", datetime(2026, 12, 5, 2, tzinfo=UTC)),
        ("2026-12-05T03:00:00+00:00", datetime(2026, 12, 5, 3, tzinfo=UTC)),
    ],
)
def test_a_hold_off_ends_in_the_first_opening_that_has_room_after_it(hold_off: str, until: datetime) -> None:
    held = rules(not_before=hold_off)

    assert asked(rules=held)[RebootGate.WINDOW].until == until
    assert asked(rules=held, now=until - timedelta(seconds=1))[RebootGate.WINDOW].verdict is Verdict.CLOSED
    assert asked(rules=held, now=until)[RebootGate.WINDOW].verdict is Verdict.OPEN


def test_a_hold_off_is_named_outside_of_the_window_too() -> None:
    held = asked(rules=rules(not_before="2026-12-27"), now=NOW - timedelta(hours=1))[RebootGate.WINDOW]

    assert "2026-12-27" in held.detail


def test_a_hold_off_that_is_over_changes_nothing() -> None:
    assert asked(rules=rules(not_before="2026-11-28"))[RebootGate.WINDOW].verdict is Verdict.OPEN


SESSIONS = GateFacts(sessions=(ALICE,))


def test_the_grace_counts_from_the_message_to_the_users() -> None:
    before = asked(SESSIONS)[RebootGate.SESSIONS]
    warned = replace(BY_ROOT, warned_at=NOW - timedelta(minutes=9))
    waiting = asked(SESSIONS, warned)[RebootGate.SESSIONS]
    over = asked(SESSIONS, replace(warned, warned_at=NOW - timedelta(minutes=10)))[RebootGate.SESSIONS]

    assert (before.verdict, before.until, before.retry) == (Verdict.CLOSED, None, True)
    assert (waiting.verdict, waiting.until) == (Verdict.CLOSED, NOW + timedelta(minutes=1))
    assert over.verdict is Verdict.OPEN


def test_a_clock_that_was_set_back_does_not_make_the_grace_longer() -> None:
    warned = replace(BY_ROOT, warned_at=NOW + timedelta(days=1))

    assert asked(SESSIONS, warned)[RebootGate.SESSIONS].until == NOW + timedelta(minutes=10)


def test_without_grace_nobody_is_waited_for() -> None:
    assert asked(SESSIONS, rules=rules(grace=timedelta(0)))[RebootGate.SESSIONS].verdict is Verdict.OPEN


def test_no_message_opens_the_gate_where_nobody_may_be_logged_in() -> None:
    warned = replace(BY_ROOT, warned_at=NOW - timedelta(days=1))

    assert asked(SESSIONS, warned, rules(sessions=SessionsMode.NEVER))[RebootGate.SESSIONS].blocks


@pytest.mark.parametrize(("own", "verdict"), [("3", Verdict.OPEN), ("4", Verdict.CLOSED), ("", Verdict.CLOSED)])
def test_the_session_of_who_asks_does_not_count(own: str, verdict: Verdict) -> None:
    assert asked(SESSIONS, replace(BY_ROOT, session=own))[RebootGate.SESSIONS].verdict is verdict


def test_a_session_without_an_id_is_never_that_of_who_asks() -> None:
    of_utmp = GateFacts(sessions=(UserSession(id="", user="alice", terminal="tty1"),), logind=False)

    assert asked(of_utmp, BY_ROOT)[RebootGate.SESSIONS].blocks


def test_users_are_named_once_and_at_most_three() -> None:
    many = tuple(UserSession(id=str(number), user=f"user{number // 2}") for number in range(10))

    assert asked(GateFacts(sessions=many))[RebootGate.SESSIONS].detail == "logged in: user0, user1, user2 and 2 more"


@pytest.mark.parametrize(
    ("scheduled", "own", "verdict"),
    [
        (ScheduledShutdown(kind="dry-reboot", at=NOW), None, Verdict.OPEN),
        (ScheduledShutdown(kind="reboot", at=NOW), NOW + timedelta(seconds=1), Verdict.OPEN),
        (ScheduledShutdown(kind="reboot", at=NOW), NOW + timedelta(minutes=1), Verdict.CLOSED),
        (ScheduledShutdown(kind="poweroff", at=NOW), NOW, Verdict.CLOSED),
        (ScheduledShutdown(kind="reboot", at=NOW), None, Verdict.CLOSED),
    ],
    ids=["a dry run", "our own", "another one in place of ours", "a power-off in place of ours", "somebody's"],
)
def test_only_the_own_reboot_at_logind_is_not_that_of_somebody_else(
    scheduled: ScheduledShutdown, own: datetime | None, verdict: Verdict
) -> None:
    request = replace(BY_ROOT, own_shutdown=own)

    assert asked(GateFacts(scheduled=scheduled), request)[RebootGate.SCHEDULED_BY_OTHER].verdict is verdict


def test_a_machine_without_logind_has_neither_inhibitors_nor_scheduled_shutdowns() -> None:
    states = asked(GateFacts(logind=False))

    for gate in (RebootGate.SESSIONS, RebootGate.INHIBITED, RebootGate.SCHEDULED_BY_OTHER):
        assert (states[gate].verdict, states[gate].detail) == (Verdict.OPEN, "logind does not run")
