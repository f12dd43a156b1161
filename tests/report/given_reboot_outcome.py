"""Outcomes of reboots: one of each result."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from agent.core.reboot.gates import GateState, RebootGate, RebootOrigin, RebootWhy, Verdict
from agent.core.reboot.model import (
    BootIdentity,
    LockUse,
    RebootOutcome,
    RebootProblem,
    RebootReason,
    RebootResult,
    RebootTrouble,
)
from agent.state.documents.reboot_outcome import reboot_outcome_to_document
from agent.state.json_reader import JsonReader
from agent.state.reboot_outcome_view import RebootOutcomeView

STARTED = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
OPEN = GateState(gate=RebootGate.DPKG, verdict=Verdict.OPEN)
SESSIONS = GateState(
    gate=RebootGate.SESSIONS,
    verdict=Verdict.CLOSED,
    why=RebootWhy.SESSIONS,
    detail="alice is logged in (pts/0, from 192.0.2.7)",
    until=STARTED + timedelta(minutes=10),
    retry=True,
)
BEFORE = RebootOutcome(
    id="20261129T020000Z",
    started_at=STARTED,
    finished_at=STARTED + timedelta(seconds=12),
    result=RebootResult.FAILED,
    origin=RebootOrigin.REQUEST,
    requested_by="alice",
    if_required=True,
    reason=RebootReason(
        required=True, packages=("linux-image-6.1.0-28-amd64",), since=STARTED - timedelta(days=2, hours=5)
    ),
    gates=(OPEN,),
    boot_before=BootIdentity(boot_id="0a5c6b1e-8b1f-4c0d-9a59-6d5a0c2f1e77", soft_reboots=0),
    kernel_before="6.1.0-27-amd64",
    kernel_expected="6.1.0-28-amd64",
)
"""Of a reboot that was not started."""
REBOOTED = replace(
    BEFORE,
    result=RebootResult.REBOOTED,
    finished_at=STARTED + timedelta(seconds=100),
    boot_after=BootIdentity(boot_id="f3f0c7f2-5d3c-4d55-8a34-6a3f9f1b2c10", soft_reboots=0),
    kernel_after="6.1.0-28-amd64",
    fired_at=STARTED + timedelta(seconds=12),
    back_at=STARTED + timedelta(seconds=54),
    lock=LockUse.RELEASED,
)
PROBLEMS = replace(
    REBOOTED,
    result=RebootResult.REBOOTED_WITH_PROBLEMS,
    kernel_after="6.1.0-27-amd64",
    problems=(
        RebootProblem(code=RebootTrouble.OLD_KERNEL, detail="kernel 6.1.0-27-amd64 runs, 6.1.0-28-amd64 was expected"),
        RebootProblem(code=RebootTrouble.UNIT_FAILED, detail="nginx.service has failed since the boot"),
    ),
    lock=LockUse.KEPT,
)
BLOCKED = replace(BEFORE, result=RebootResult.BLOCKED, gates=(OPEN, SESSIONS), blocked=SESSIONS)
WOULD = replace(BEFORE, result=RebootResult.WOULD_REBOOT)
EACH = {
    RebootResult.REBOOTED: REBOOTED,
    RebootResult.REBOOTED_WITH_PROBLEMS: PROBLEMS,
    RebootResult.NOT_REBOOTED: replace(
        BEFORE, result=RebootResult.NOT_REBOOTED, fired_at=STARTED + timedelta(seconds=12), lock=LockUse.RELEASED
    ),
    RebootResult.NOT_REQUIRED: replace(BEFORE, result=RebootResult.NOT_REQUIRED, reason=RebootReason(required=False)),
    RebootResult.BLOCKED: BLOCKED,
    RebootResult.FAILED: replace(BEFORE, message="logind: Access denied", lock=LockUse.RELEASING),
    RebootResult.INTERRUPTED: replace(BEFORE, result=RebootResult.INTERRUPTED),
    RebootResult.REQUESTED: replace(
        BEFORE,
        result=RebootResult.REQUESTED,
        finished_at=None,
        fired_at=STARTED + timedelta(seconds=12),
        lock=LockUse.HELD,
    ),
    RebootResult.WOULD_REBOOT: WOULD,
}
"""By result."""


def view(outcome: RebootOutcome) -> RebootOutcomeView:
    return RebootOutcomeView(JsonReader(reboot_outcome_to_document(outcome, STARTED), "run"))
