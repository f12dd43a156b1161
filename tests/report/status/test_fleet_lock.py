"""The fleet lock in `status`: other machines of the group wait for this one."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.core.fleet_lock.model import LockPhase, LockRecord
from agent.report.layout import display_width, lay_out
from agent.report.metrics import collect_metrics
from agent.report.status.collect import collect_status
from agent.report.status.document import Status, build_status, status_document
from agent.report.status.lines import status_lines
from agent.report.status.needs import needs
from agent.state.fleet_lock_record import FleetLockRecord
from agent.state.store import Store
from tests.state.test_fleet_lock_record import BARE, NOW, REFUSAL

KEPT = replace(BARE, kept="cron.service has failed since the boot")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CASES = [
    # what is on record, its age, whether a person should look
    (LockRecord(lock=BARE), MINUTE, False),
    (LockRecord(lock=BARE), HOUR, True),
    (LockRecord(lock=KEPT), MINUTE, True),
    (LockRecord(lock=replace(BARE, phase=LockPhase.RELEASING)), MINUTE, False),
    (LockRecord(lock=replace(BARE, phase=LockPhase.RELEASING)), 3 * HOUR, True),
    (LockRecord(lock=replace(BARE, phase=LockPhase.RELEASING, released_at=NOW)), 3 * HOUR, False),
    (LockRecord(lock=replace(BARE, phase=LockPhase.INTENT)), MINUTE, False),
    (LockRecord(refusal=REFUSAL), 3 * HOUR, False),
]
IDS = ["held", "held-long", "kept", "releasing", "releasing-long", "given-back", "intent", "refused"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def status_of(store: Store, record: LockRecord, age: timedelta = MINUTE) -> Status:
    FleetLockRecord(store).save(record, NOW)
    return build_status(collect_status(store, run_dir=store.directory), NOW + age)


@pytest.mark.parametrize(("record", "age", "needed"), CASES, ids=IDS)
def test_a_lock_that_is_kept_or_held_for_an_hour_needs_a_person(
    store: Store, record: LockRecord, age: timedelta, *, needed: bool
) -> None:
    status = status_of(store, record, age)

    assert bool(status.fleet_lock.reasons) is needed
    assert ("fleet-lock" in {need.code for need in needs(status)}) is needed
    assert set(status.fleet_lock.reasons) <= set(status.attention)


def test_without_a_record_nothing_is_shown(store: Store) -> None:
    status = build_status(collect_status(store, run_dir=store.directory), NOW)

    assert status_document(status)["fleet_lock"] is None
    assert "Fleet lock" not in "\n".join(status_lines(status))


def test_a_kept_lock_is_shown_with_the_reason_and_what_to_do(store: Store) -> None:
    text = "\n".join(status_lines(status_of(store, LockRecord(lock=KEPT))))

    assert "KEPT (cron.service has failed since the boot), group web" in text
    assert "maestro-agent lock release" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_lines_fit(store: Store, width: int) -> None:
    lines = status_lines(status_of(store, LockRecord(lock=KEPT)))

    assert [line for line, _ in lay_out(lines, width) if display_width(line) > width and "`" not in line] == []


def test_the_document_has_the_lock_and_the_last_refusal(store: Store) -> None:
    assert status_document(status_of(store, LockRecord(lock=KEPT, refusal=REFUSAL)))["fleet_lock"] == {
        "phase": "held",
        "group": "web",
        "url": "https://locks.example.org",
        "id": "host-a",
        "since": "2026-11-29T02:00:00Z",
        "run_id": None,
        "kept": "cron.service has failed since the boot",
        "refusal": {
            "call": "acquire",
            "since": "2026-11-29T01:00:00Z",
            "at": "2026-11-29T02:00:00Z",
            "why": "fleet-lock",
            "detail": "full",
        },
    }


def test_a_slot_that_is_given_back_is_free_although_its_record_stays(store: Store) -> None:
    lock = replace(BARE, phase=LockPhase.RELEASING, released_at=NOW)
    document = status_document(status_of(store, LockRecord(lock=lock)))["fleet_lock"]

    assert isinstance(document, dict)
    assert (document["phase"], document["since"]) == ("free", None)


@pytest.mark.parametrize(
    ("record", "values"),
    [
        (LockRecord(lock=BARE), {"since_timestamp": NOW.timestamp(), "kept": 0}),
        (LockRecord(lock=KEPT), {"since_timestamp": NOW.timestamp(), "kept": 1}),
        (LockRecord(refusal=REFUSAL), {"kept": 0, "failing_since_timestamp": (NOW - HOUR).timestamp()}),
        (LockRecord(), {}),
    ],
    ids=["held", "kept", "refused", "nothing"],
)
def test_metrics_show_the_age_of_the_lock(store: Store, record: LockRecord, values: dict[str, float]) -> None:
    metrics = collect_metrics(status_document(status_of(store, record)))
    prefix = "maestro.fleet_lock."

    assert {
        metric.family.name.removeprefix(prefix): metric.points[0][1]
        for metric in metrics
        if metric.family.name.startswith(prefix)
    } == values


def test_a_damaged_record_makes_the_status_unknown(store: Store) -> None:
    Path(store.path("fleet-lock")).write_text("{")
    status = build_status(collect_status(store, run_dir=store.directory), NOW)

    assert any("fleet-lock.json" in reason for reason in status.unknown)
    assert Path(store.path("fleet-lock")).exists()
