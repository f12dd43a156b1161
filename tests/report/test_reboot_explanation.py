"""`explain reboot`: every gate by name, each closed one alone, and what is on record of the last try."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.core.fleet_lock.model import HeldLock, LockAnswer, LockCall, LockPhase, LockRecord, LockRefusal
from agent.core.model.facts import Reboot, Unseen
from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import BootIdentity, RebootCourse, RebootPhase, RebootSchedule
from agent.report.explanation_text import explanation_lines
from agent.report.reboot_explanation import RebootLook, explain_reboot
from agent.state.json_reader import JsonReader
from tests.core.given import NOW

LOCAL = list(RebootGate)[:8]
OPEN = tuple(GateState(gate=gate, verdict=Verdict.OPEN) for gate in LOCAL)
LOOK = RebootLook(reboot=Reboot(required=True, flagged=True), gates=OPEN)
COURSE = RebootCourse(
    run_id="1",
    origin=RebootOrigin.POLICY,
    phase=RebootPhase.WAITING,
    entered_at=NOW,
    boot=BootIdentity(boot_id="b", soft_reboots=0),
    retry_at=NOW + timedelta(minutes=2),
)
SLOT = HeldLock(phase=LockPhase.HELD, url="https://lock", group="web", id="x", since=NOW, boot_id="b", soft_reboots=0)

LOCKED = replace(LOOK, lock_server="https://lock, group web")


def gates(look: RebootLook) -> dict[str, JsonReader]:
    document = JsonReader(explain_reboot(look, NOW), "explain")
    return {gate.text("gate"): gate for gate in document.children("gates")}


def text(look: RebootLook) -> str:
    lines = [str(line) for line in explanation_lines(JsonReader(explain_reboot(look, NOW), "explain"))]
    return "\n".join(lines)


def test_every_gate_is_named_in_its_order() -> None:
    assert list(gates(LOOK)) == ["required", *(gate.value for gate in RebootGate)]


def closed(why: RebootWhy) -> GateState:
    """Return a gate that is closed for this reason."""
    gate_of = {
        RebootWhy.POLICY_NEVER: RebootGate.POLICY,
        RebootWhy.OUTSIDE_WINDOW: RebootGate.WINDOW,
        RebootWhy.RUN_FAILED: RebootGate.LAST_RUN,
        RebootWhy.DPKG_UNFINISHED: RebootGate.DPKG,
        RebootWhy.SESSIONS: RebootGate.SESSIONS,
        RebootWhy.INHIBITED: RebootGate.INHIBITED,
        RebootWhy.JOB_RUNNING: RebootGate.JOB_RUNNING,
        RebootWhy.SCHEDULED_BY_OTHER: RebootGate.SCHEDULED_BY_OTHER,
        RebootWhy.HOOK_DEFERRED: RebootGate.HOOKS,
        RebootWhy.HOOK_FAILED: RebootGate.HOOKS,
        RebootWhy.FLEET_LOCK: RebootGate.FLEET_LOCK,
        RebootWhy.LOCK_UNREACHABLE: RebootGate.FLEET_LOCK,
    }
    return GateState(gate=gate_of[why], verdict=Verdict.CLOSED, why=why, detail=f"because of {why.value}", retry=True)


@pytest.mark.parametrize("why", RebootWhy, ids=lambda why: str(why.value))
def test_each_closed_gate_alone_is_named_with_its_reason_and_what_opens_it(why: RebootWhy) -> None:
    state = closed(why)
    local = tuple(state if one.gate is state.gate else one for one in OPEN)
    look = replace(LOOK, gates=local, lock_server="https://lock, group web", course=replace(COURSE, blocked=state))

    found = gates(look)
    shut = [name for name, gate in found.items() if gate.text("verdict") == "shut"]

    assert shut == [state.gate.value]
    assert found[shut[0]].text("why") == why.value
    assert found[shut[0]].text("reason") == f"because of {why.value}"
    assert found[shut[0]].text("opens")
    assert f"  - {state.gate.value}" in text(look)


def test_what_a_gate_waits_for_is_shown_with_its_time() -> None:
    opens = datetime(2026, 11, 28, 2, tzinfo=NOW.tzinfo)
    state = replace(closed(RebootWhy.OUTSIDE_WINDOW), until=opens)

    look = replace(LOOK, gates=(OPEN[0], state, *OPEN[2:]))

    assert gates(look)["window"].time("until") == opens
    assert "opens 2026-11-28" in text(look)


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        (LOOK, "open"),
        (LOCKED, "not-asked"),
        (replace(LOOK, lock=LockRecord(lock=SLOT)), "open"),
        (replace(LOCKED, lock=LockRecord(lock=SLOT)), "open"),
        (replace(LOCKED, lock=LockRecord(lock=replace(SLOT, group="db"))), "not-asked"),
        (replace(LOCKED, lock=LockRecord(lock=replace(SLOT, phase=LockPhase.RELEASING))), "not-asked"),
        (replace(LOCKED, lock=LockRecord(lock=replace(SLOT, phase=LockPhase.INTENT))), "not-asked"),
        (replace(LOOK, lock=LockRecord(lock=replace(SLOT, kept="a unit has failed"))), "shut"),
    ],
    ids=["none", "not asked", "held, none needed", "held", "held elsewhere", "releasing", "about to be taken", "kept"],
)
def test_the_fleet_lock_is_explained_from_the_record(look: RebootLook, verdict: str) -> None:
    assert gates(look)["fleet-lock"].text("verdict") == verdict


def test_a_refusal_of_the_lock_server_is_shown_with_its_time() -> None:
    answer = LockAnswer(granted=False, why="lock-unreachable", detail="connection refused")
    refusal = LockRefusal(call=LockCall.ACQUIRE, at=NOW, since=NOW, answer=answer)
    left = replace(SLOT, phase=LockPhase.RELEASING)

    for slot in (None, left):  # a slot that may be held from before opens nothing
        gate = gates(replace(LOCKED, lock=LockRecord(lock=slot, refusal=refusal)))["fleet-lock"]
        assert (gate.text("verdict"), gate.text("why")) == ("shut", "lock-unreachable")
        assert "connection refused" in gate.text("reason")


def test_a_slot_that_may_be_held_from_before_does_not_hide_what_the_last_try_met() -> None:
    state = closed(RebootWhy.LOCK_UNREACHABLE)
    left = LockRecord(lock=replace(SLOT, phase=LockPhase.RELEASING))

    gate = gates(replace(LOCKED, lock=left, course=replace(COURSE, blocked=state)))["fleet-lock"]

    assert (gate.text("verdict"), gate.text("why")) == ("shut", "lock-unreachable")


def test_a_reboot_that_waits_and_one_that_is_scheduled_are_shown() -> None:
    schedule = RebootSchedule(at=NOW, until=NOW, created_at=NOW, requested_by="alice")
    shown = text(replace(LOOK, course=COURSE, schedule=schedule))

    assert "next try" in shown
    assert "scheduled by alice" in shown
    assert "--cancel" in shown


def test_a_damaged_record_is_a_problem_and_hides_nothing() -> None:
    shown = text(replace(LOOK, problems=("reboot.json: is damaged",)))

    assert "  ! reboot.json: is damaged" in shown
    assert "policy" in shown


def test_an_unknown_gate_counts_as_no_answer() -> None:
    state = GateState(gate=RebootGate.POLICY, verdict=Verdict.UNKNOWN, detail="the configuration is invalid")

    gate = gates(replace(LOOK, gates=(state, *OPEN[1:])))["policy"]

    assert (gate.text("verdict"), gate.optional_text("opens")) == ("unknown", None)


def test_whether_a_reboot_is_required_may_be_unknown() -> None:
    document = explain_reboot(replace(LOOK, reboot=Unseen(reason="no such file")), NOW)

    assert (document["conclusion"], document["reboot"]) == ("unknown", None)


def test_a_reboot_that_is_not_verified_yet_is_not_said_to_be_under_way() -> None:
    fired = text(replace(LOOK, course=replace(COURSE, phase=RebootPhase.FIRED)))

    assert "not verified yet" in fired
    assert "under way" not in fired
