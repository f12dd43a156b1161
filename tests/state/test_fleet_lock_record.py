"""fleet-lock.json: what is written is read again, and a damaged one is not forgotten."""

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import (
    NO_LOCK,
    HeldLock,
    LockAnswer,
    LockCall,
    LockPhase,
    LockRecord,
    LockRefusal,
)
from agent.errors import RecordError
from agent.state.documents.fleet_lock import lock_to_document
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.store import Store
from tests.state.test_reboot_schemas import faults

NOW = datetime(2026, 11, 29, 2, 0, tzinfo=timezone.utc)
LOCK = HeldLock(
    phase=LockPhase.HELD,
    url="https://locks.example.org",
    group="web",
    id="host-a",
    since=NOW,
    boot_id="b",
    soft_reboots=2,
    machine="m",
    run_id="r",
    reason="kernel",
    kept="cron.service failed",
    released_at=NOW,
    acquire_settles_at=NOW + timedelta(minutes=30),
    release_settles_at=NOW + timedelta(minutes=5),
)
REFUSAL = LockRefusal(
    call=LockCall.ACQUIRE,
    at=NOW,
    since=NOW - timedelta(hours=1),
    answer=LockAnswer(granted=False, why="fleet-lock", detail="full", retry_after=timedelta(seconds=30)),
)
BARE = replace(
    LOCK, machine="", run_id="", reason="", kept="", released_at=None, acquire_settles_at=None, release_settles_at=None
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


RECORDS = {
    "everything": LockRecord(lock=LOCK, refusal=REFUSAL),
    "bare": LockRecord(lock=BARE),
    **{phase.value: LockRecord(lock=replace(BARE, phase=phase)) for phase in LockPhase},
    "refused": LockRecord(refusal=REFUSAL),
    "unreachable": LockRecord(
        refusal=replace(REFUSAL, answer=replace(REFUSAL.answer, why="lock-unreachable", retry_after=None))
    ),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_document_is_valid(record: LockRecord) -> None:
    assert faults("fleet-lock", lock_to_document(record, NOW)) == []


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_what_is_written_is_read_again(store: Store, record: LockRecord) -> None:
    FleetLockRecord(store).save(record, NOW)

    assert FleetLockRecord(store).load() == record


def test_without_a_slot_and_a_refusal_there_is_no_document(store: Store) -> None:
    FleetLockRecord(store).save(LockRecord(lock=LOCK), NOW)
    FleetLockRecord(store).save(NO_LOCK, NOW)

    assert not os.listdir(store.directory) or not store.has("fleet-lock")
    assert FleetLockRecord(store).load() == NO_LOCK


def test_everybody_may_read_it(store: Store) -> None:
    FleetLockRecord(store).save(LockRecord(lock=LOCK), NOW)

    assert os.stat(store.path("fleet-lock")).st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "lost"},
        {"url": None},
        {"since": "yesterday"},
        {"boot": None},
        {"refusal": {"at": "now"}},
        {
            "refusal": {
                **dict.fromkeys(("at", "since"), "2026-11-29T02:00:00Z"),
                "call": "acquire",
                "why": "fleet-lock",
                "detail": "full",
                "retry_after_s": 9e14,
            }
        },
    ],
    ids=["phase", "url", "since", "boot", "refusal", "longer-than-a-duration"],
)
def test_a_damaged_one_is_an_error_and_stays(store: Store, change: dict[str, object]) -> None:
    FleetLockRecord(store).save(LockRecord(lock=LOCK, refusal=REFUSAL), NOW)
    path = Path(store.path("fleet-lock"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(RecordError):
        FleetLockRecord(store).load()
    assert path.exists()
